"""`compute migrate`: create or update the tables of the database."""

import os

import click
from django.core.management import execute_from_command_line

from compute.cli.config import load_config


@click.command()
def migrate() -> None:
    """Bring the database of COMPUTE_DATABASE_URL up to date; run it before a new version starts."""
    load_config()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "compute.settings")
    execute_from_command_line(["compute", "migrate", "--no-input", "--verbosity=0"])
