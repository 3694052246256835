"""Rounds of the loop in a process of their own, which may be killed."""

from pathlib import Path

import django

django.setup()

from compute.provisioner.leader import Leadership  # noqa: E402
from compute.provisioner.loop import Loop  # noqa: E402
from compute.provisioner.tests.folder import FolderBackend  # noqa: E402


def one_round(folder: Path) -> None:
    """Do what a provisioner does in a round that leads."""
    Loop(Leadership(), lambda: {"local": FolderBackend(folder)}).round()
