"""What runs on workers: one task for the jobs, one that looks after them."""

import os
import signal
import socket
import sys
from typing import Any
from uuid import UUID

import structlog
from celery import shared_task, signals
from django.conf import settings

from compute_wps import delivery, jobs, lease, metrics, results, work

logger = structlog.get_logger(__name__)


@shared_task(name=delivery.RUN_JOB)
def run_job(job_id: str) -> None:
    """Run the job if it is still there to be run; a second delivery finds nothing to claim."""
    job = jobs.claim(UUID(job_id), f"{socket.gethostname()}-{os.getpid()}")
    if job is None:
        return
    with structlog.contextvars.bound_contextvars(job=job_id, request=job.request_id):
        work.work(job)


@shared_task(name="compute_wps.tasks.maintain")
def maintain() -> None:
    """Requeue the jobs of lost workers, send what is still to be sent, remove what is due."""
    jobs.reap()
    delivery.sweep()
    for job in jobs.purgeable():
        results.remove(job)
        jobs.purged(job.id)


@signals.worker_process_init.connect
def _leave_in_order(**_: Any) -> None:
    """Let a process stop a dismissed job at once, and hand its job back when it is terminated."""
    signal.signal(lease.INTERRUPT, lease.interrupted)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))


@signals.worker_ready.connect
def _serve_metrics(**_: Any) -> None:
    metrics.serve(settings.COMPUTE.metrics_port, settings.COMPUTE.metrics_host)


@signals.worker_process_shutdown.connect
def _forget_metrics(pid: int, **_: Any) -> None:
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        metrics.mark_process_dead(pid)
