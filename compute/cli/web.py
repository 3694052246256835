"""`compute web`: the web process under gunicorn, one process with many threads."""

import os
import sys

import click

from compute.cli.config import load_config

SECONDS_TO_FINISH_REQUESTS = 5


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
@click.option("--fd", type=int, hidden=True, help="An open listening socket to use instead.")
def web(host: str, port: int, fd: int | None) -> None:
    """Run the web process; more of them behind one address serve more clients."""
    config = load_config()
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    arguments = {
        "bind": address if fd is None else f"fd://{fd}",
        "worker-class": "gthread",
        "workers": "1",
        "threads": str(config.web_threads),
        "graceful-timeout": str(SECONDS_TO_FINISH_REQUESTS),
        "log-level": "warning",
        # The most gunicorn offers: an Execute by GET holds its inputs in the address.
        "limit-request-line": "8190",
    }
    flags = [f"--{name}={value}" for name, value in arguments.items()]
    command = ["-m", "gunicorn", *flags, "--no-control-socket", "compute.wsgi:application"]
    os.execv(sys.executable, [sys.executable, *command])  # noqa: S606
