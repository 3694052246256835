"""Real services for tests and trials: started on this machine for as long as they are needed."""
