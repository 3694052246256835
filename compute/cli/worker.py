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
@click.option(
    "--beat", is_flag=True, help="Also look after lost and expired jobs (one per service)."
)
def worker(queues: str, concurrency: int, beat: bool) -> None:
    """Run a worker process until it is told to stop."""
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
    # Beat keeps its schedule in memory: a round too many after a restart harms nothing.
    scheduler = ["--beat", "--scheduler=celery.beat:Scheduler"] if beat else []
    # Only JSON is accepted from the broker, which is what the warning is about.
    quiet = ["-W", "ignore:You're running the worker with superuser privileges"]
    command = [
        *quiet,
        "-m",
        "celery",
        "--app=compute.celery",
        "--quiet",
        "worker",
        *flags,
        *scheduler,
    ]
    os.execv(sys.executable, [sys.executable, *command, "--without-gossip", "--without-mingle"])  # noqa: S606
