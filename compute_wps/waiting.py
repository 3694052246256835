"""Waiting for a job within a request, bounded in time and in number."""

import threading
import time
from functools import cache
from uuid import UUID

from django.conf import settings

from compute_wps.models import ACTIVE, Job

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.5
"""Seconds between two looks at the row."""


@cache
def _places() -> threading.Semaphore:
    """Return the places of waiting requests: half the threads stay free for everybody else."""
    return threading.BoundedSemaphore(max(1, settings.COMPUTE.web_threads // 2))


def wait(job_id: UUID) -> Job:
    """Return the job once it has ended, or as it stands after `sync_seconds`.

    With too many requests waiting already it returns at once.
    """
    if not _places().acquire(blocking=False):
        return Job.objects.get(pk=job_id)
    try:
        return _wait(job_id, time.monotonic() + settings.COMPUTE.sync_seconds)
    finally:
        _places().release()


def _wait(job_id: UUID, deadline: float) -> Job:
    pause = FIRST_PAUSE
    while True:
        job = Job.objects.get(pk=job_id)
        left = deadline - time.monotonic()
        if job.status not in ACTIVE or left <= 0:
            return job
        time.sleep(min(pause, left))
        pause = min(pause * 1.5, LONGEST_PAUSE)
