"""REST: jobs, their states and outputs, and the processes on offer."""
