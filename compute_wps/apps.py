"""The Django application of the service."""

from django.apps import AppConfig


class ComputeWpsConfig(AppConfig):
    """WPS and REST in front of a queue of jobs."""

    name = "compute_wps"
    verbose_name = "ESGF Compute"
