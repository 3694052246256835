"""What runs on workers: the one Celery task, and what a worker's processes do beside it."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task, signals
from django.conf import settings
from django.utils.module_loading import import_string

from compute_wps import delivery, drain, jobs, lease, limits, metrics, upkeep, warmup, work
from compute_wps.models import Job
from compute_wps.patience import patiently

CLAIM_SECONDS = 60.0
"""How long a message waits for the database; after that the outbox sends it again."""

logger = structlog.get_logger(__name__)


def worker_name(pid: int) -> str:
    """Return what the process of a worker is called in the jobs it runs."""
    return f"{socket.gethostname()}-{pid}"


@shared_task(name=delivery.RUN_JOB)
def run_job(job_id: str) -> None:
    """Run the job whose turn it is in the queue of this one, if any is there to be run."""
    name = worker_name(os.getpid())
    job = patiently(lambda: jobs.take(UUID(job_id), name), CLAIM_SECONDS)
    if job is None:
        return
    bound = structlog.contextvars.bound_contextvars(job=str(job.id), request=job.request_id)
    with bound, _around()(job):
        work.work(job)


@cache
def _around() -> Callable[[Job], AbstractContextManager[None]]:
    """Return what the settings have done around each job, such as counting it."""
    return import_string(settings.AROUND_JOB)


@signals.worker_init.connect
def _warm_up(**_: Any) -> None:
    warmup.warm_up()


@signals.worker_process_init.connect
def _leave_in_order(**_: Any) -> None:
    """Let a process stop a dismissed job at once, and hand its job back when it is to end."""
    signal.signal(lease.INTERRUPT, lease.interrupted)
    signal.signal(drain.STOP, drain.stop)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@signals.worker_process_init.connect
def _bound_memory(**_: Any) -> None:
    limits.bound_memory()


@signals.worker_ready.connect
def _look_after_jobs(**_: Any) -> None:
    metrics.serve(settings.COMPUTE.metrics_port, settings.COMPUTE.metrics_host)
    drain.prepare(settings.COMPUTE.grace_seconds, worker_name)
    upkeep.start()


@signals.worker_shutting_down.connect
def _drain(**_: Any) -> None:
    drain.asked()


@signals.worker_process_shutdown.connect
def _forget_metrics(pid: int, **_: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        metrics.mark_process_dead(pid)
