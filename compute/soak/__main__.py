"""`python -m compute.soak`: prepare the servers and run the trial against them."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import click
import django
from rich.console import Console

from compute.broker import PrivateRedis
from compute.soak.stack import settings, stack
from compute.testing.postgres import fresh_database, postgres_server


@click.command()
@click.option("--minutes", default=5.0, show_default=True, type=click.FloatRange(0, max=120))
@click.option("--jobs", default=3000, show_default=True, help="Jobs to send, at most.")
@click.option("--seed", default=1, show_default=True, help="Of the order in which things are hit.")
@click.option("--keep", is_flag=True, help="Keep logs and data.")
def main(minutes: float, jobs: int, seed: int, keep: bool) -> None:
    """Kill the parts of a real service while it computes, then check that nothing was lost."""
    console = Console()
    folder = Path(tempfile.mkdtemp(prefix="compute-soak-"))
    try:
        with postgres_server() as server:
            database, broker = fresh_database(server), PrivateRedis()
            environment = settings(folder, database, broker)
            _become_part_of(environment)
            # Models can be imported once Django has its settings.
            from compute.soak.trial import trial  # noqa: PLC0415

            with stack(folder, environment, broker) as running:
                kept = trial(
                    running, database, minutes=minutes, jobs=jobs, seed=seed, console=console
                )
    finally:
        if keep:
            console.print(f"logs and data: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if kept else 1)


def _become_part_of(environment: dict[str, str]) -> None:
    os.environ.update(environment, DJANGO_SETTINGS_MODULE="compute.settings")
    django.setup()


if __name__ == "__main__":
    main()
