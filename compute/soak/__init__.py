"""A trial by fire: a real service computes while its processes are killed, and nothing may be lost.

`make soak MINUTES=5` runs web, three workers, PostgreSQL and Redis on this machine. Clients send a
mixed stream of jobs, every few seconds something is killed, and at the end each promise is checked.
"""
