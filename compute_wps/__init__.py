"""The service: WPS 1.0.0 and REST in front of a queue of jobs."""
