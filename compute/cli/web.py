"""`compute web`: the web under gunicorn, a few processes with many threads each."""

import os
import sys

import click

from compute.cli.config import load_config


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--fd", type=int, hidden=True, help="An open listening socket to use instead.")
def web(host: str, port: int, fd: int | None) -> None:
    """Run the web; more of them behind one address serve more clients."""
    config = load_config()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    arguments = {
        "config": "python:compute.gunicorn_config",
        "bind": address if fd is None else f"fd://{fd}",
        "workers": str(config.web_processes),
        "threads": str(config.web_threads),
    }
    flags = [f"--{name}={value}" for name, value in arguments.items()]
    command = ["-m", "gunicorn", *flags, "compute.wsgi:application"]
    os.execv(sys.executable, [sys.executable, *command])  # noqa: S606
