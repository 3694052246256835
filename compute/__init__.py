"""The deployable project: settings, command line and the parts wired into one running system."""

__version__ = "0.1.0"
