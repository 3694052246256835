"""`compute worker`: a Celery worker that takes jobs from the queues."""

import os
import sys
import tempfile

import click

from compute.cli.config import load_config


@click.command()
@click.option(
    "--queues", default="ingress,default", show_default=True, help="Queues to take jobs from."
)
@click.option(
    "--concurrency",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="Jobs computed at once; each uses COMPUTE_WORKER_THREADS threads.",
)
def worker(queues: str, concurrency: int) -> None:
    """Run a worker until it is told to stop.

    The first SIGTERM or Ctrl-C lets the running job finish within half of COMPUTE_GRACE_SECONDS and
    then hands it back to its queue; the second hands it back at once.
    """
    config = load_config()
    if not config.redis_url:
        raise click.UsageError(
            "a worker needs a broker: set COMPUTE_REDIS_URL (`compute serve` does)"
        )
    # Read by the Prometheus client when the processes of the worker start.
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="compute-metrics-")
    arguments = {
        "hostname": f"worker-{os.getpid()}@%h",
        "queues": queues,
        "concurrency": str(concurrency),
        "loglevel": config.log_level,
    }
    flags = [f"--{name}={value}" for name, value in arguments.items()]
    # Only JSON is accepted from the broker, which is what the warning is about.
    quiet = ["-W", "ignore:You're running the worker with superuser privileges"]
    command = [*quiet, "-m", "celery", "--app=compute.celery", "--quiet", "worker", *flags]
    os.execv(sys.executable, [sys.executable, *command, "--without-gossip", "--without-mingle"])  # noqa: S606
