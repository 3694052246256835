"""`compute serve`: web, provisioner, workers and a private Redis in one command."""

import asyncio
from pathlib import Path

import click

from compute.broker import BrokerMissingError
from compute.cli.config import load_config
from compute.embedded import ServeError
from compute.embedded import serve as run_service

COLOURS = {"web": "cyan", "provisioner": "green", "redis": "magenta", "migrate": "blue"}


def show(name: str, line: str) -> None:
    """Write a line of a child to stderr behind the child's name, coloured on a terminal."""
    prefix = click.style(f"{name:<7}|", fg=COLOURS.get(name, "yellow"))
    click.echo(f"{prefix} {line}", err=True)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    default=8000,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="Port to listen on; 0 picks a free one.",
)
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of database, archive and results; without it COMPUTE_DATA_DIR, else ./data.",
)
def serve(host: str, port: int, data_dir: Path | None) -> None:
    """Run the whole service on this machine until Ctrl-C.

    Starts the web, the provisioner and a private Redis (unless COMPUTE_REDIS_URL names one),
    restarts the one that dies and stops all at the end. The provisioner starts the workers. Input
    files go into DATA_DIR/archive.
    """
    config = load_config(**({"data_dir": str(data_dir)} if data_dir else {}))
    try:
        asyncio.run(run_service(config, host, port, show))
    except (ServeError, BrokerMissingError) as error:
        raise click.ClickException(str(error)) from None
