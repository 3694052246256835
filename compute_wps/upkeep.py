"""Looking after the jobs: what every worker does beside its work, so that no one worker matters.

All of it is conditional updates, so that any number of workers may do it at the same time.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog
from django.conf import settings
from django.db import Error, close_old_connections, connection
from django.utils import timezone

from compute_wps import delivery, jobs, results, retention
from compute_wps.models import Job

LONGEST_PAUSE = 5.0
"""Seconds between two rounds, at most; short leases are looked at more often."""

logger = structlog.get_logger(__name__)


class Reaper:
    """Takes jobs from workers that have fallen silent.

    A clock that jumps or a database that was away must not cost a living worker its job. So a lease
    is not believed by its date alone: it must also have stood still before our own eyes for as long
    as a living worker takes to renew it, or for its whole length, whatever the date says.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[tuple[UUID, int, datetime | None], float] = {}

    def round(self) -> int:
        """Look at every running job once and return how many were taken from their workers."""
        now, lease = self._clock(), settings.COMPUTE.lease_seconds
        try:
            running = list(jobs.running())
        except Error:
            self._seen.clear()
            raise
        seen = {job: self._seen.get(_token(job), now) for job in running}
        self._seen = {_token(job): since for job, since in seen.items()}
        today = timezone.now()
        return sum(
            _take(job)
            for job, since in seen.items()
            if now - since >= (lease / 2 if _expired(job, today) else lease)
        )


def _token(job: Job) -> tuple[UUID, int, datetime | None]:
    return job.id, job.attempt, job.lease_expires


def _expired(job: Job, now: datetime) -> bool:
    return job.lease_expires is None or job.lease_expires < now


def _take(job: Job) -> bool:
    taken = jobs.reap(job)
    if taken and jobs.is_failed(job.id):
        results.remove(job)
    return taken


def maintain() -> None:
    """Send what is still to be sent and remove what is due."""
    delivery.sweep()
    delivery.replenish()
    for job in retention.purgeable():
        results.remove(job)
        retention.purged(job.id)
    results.remove_abandoned()


def start() -> None:
    """Look after the jobs from a thread of its own until the process ends."""
    threading.Thread(target=_keep, name="upkeep", daemon=True).start()


def _keep() -> None:
    reaper, orphans = Reaper(), retention.Orphans()
    pause = min(LONGEST_PAUSE, settings.COMPUTE.lease_seconds / 6)
    while True:
        try:
            close_old_connections()
            reaper.round()
            maintain()
            orphans.round()
        except Error as error:
            logger.warning("jobs not looked after", reason=str(error))
            connection.close()
        except Exception:
            # The next round may well succeed; without this thread lost jobs would stay lost.
            logger.exception("looking after the jobs failed")
        time.sleep(pause)
