"""`compute provisioner`: keeps pools at the size their queues need."""

import os

import click

from compute.cli.config import load_config


@click.command()
@click.option("--attached", type=int, hidden=True, help="Read end of a pipe nodes end with.")
def provisioner(attached: int | None) -> None:
    """Start and stop nodes as pools, jobs and people ask for, until it is told to end.

    Several may run: one acts, another takes over within 15 seconds. Nodes outlive it.
    """
    config = load_config()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "compute.settings")
    if not config.redis_url:
        raise click.UsageError("nodes need a broker: set COMPUTE_REDIS_URL (`compute serve` does)")
    # Django must be set up before the modules of its applications are imported.
    import django  # noqa: PLC0415

    django.setup()
    from compute.provisioner.service import run  # noqa: PLC0415

    run(os.environ, attached)
