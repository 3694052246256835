"""Gunicorn's settings: what each web process shares with its siblings, and leaves behind."""

import os
import shutil
import tempfile
from typing import Any

SECONDS_TO_FINISH_REQUESTS = 5
METRICS = "PROMETHEUS_MULTIPROC_DIR"

# The application is imported once, before the processes part.
preload_app = True
# The Prometheus client looks for the folder when it is imported, which is after this.
own_counters = METRICS not in os.environ
if own_counters:
    os.environ[METRICS] = tempfile.mkdtemp(prefix="compute-web-metrics-")

worker_class = "gthread"
graceful_timeout = SECONDS_TO_FINISH_REQUESTS
loglevel = "warning"
# The most gunicorn offers: an Execute by GET holds its inputs in the address.
limit_request_line = 8190
control_socket_disable = True


def child_exit(server: Any, worker: Any) -> None:
    """Forget what a web process that has ended was doing at the time."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415

    mark_process_dead(worker.pid)


def on_exit(server: Any) -> None:
    """Remove the counters of the web processes."""
    if own_counters:
        shutil.rmtree(os.environ[METRICS], ignore_errors=True)
