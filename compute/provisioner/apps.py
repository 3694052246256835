"""The Django application of the control plane."""

from django.apps import AppConfig


class ProvisionerConfig(AppConfig):
    """Records of pools, nodes, groups and boot profiles, and what keeps them true."""

    name = "compute.provisioner"
    label = "provisioner"
    verbose_name = "ESGF Compute provisioner"
