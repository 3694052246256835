"""How long results are kept, and what is found on disk that belongs to no result."""

import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from compute_wps.models import ACTIVE, FINISHED, Job, Output, State

ORPHAN_AGE = timedelta(days=1)
"""Files of a job that is not known are kept this long: its row may still be restored."""
PAUSE = 3600.0
"""Seconds between two looks at all files of results."""

logger = structlog.get_logger(__name__)


class RetentionError(ValueError):
    """Results cannot be kept for the time asked; the message is fit for the client."""


def expiry(job: Job) -> datetime | None:
    """Return when the results of a finished job expire; None while it has not finished."""
    days = job.retention_days or settings.COMPUTE.retention_days
    return job.finished + timedelta(days=days) if job.finished else None


def keep(job_id: uuid.UUID, days: float) -> bool:
    """Keep the results of a job this many days from its end; False when they are gone already.

    Raises RetentionError for a time out of bounds.
    """
    longest = settings.COMPUTE.longest_retention_days
    if not 0 < days <= longest:
        raise RetentionError(
            f"retention_days is {days:g}; it must be above 0 and at most {longest:g} "
            "(COMPUTE_LONGEST_RETENTION_DAYS)"
        )
    with transaction.atomic():
        job = Job.objects.select_for_update().get(pk=job_id)
        if job.status not in (*ACTIVE, *FINISHED) or job.expired:
            return False
        job.retention_days = days
        job.expires = expiry(job)
        job.save(update_fields=["retention_days", "expires"])
    return True


def purgeable() -> QuerySet[Job]:
    """Return the ended jobs whose files are due for removal."""
    ended = Job.objects.filter(status__in=(*FINISHED, State.DISMISSED))
    return ended.filter(expires__lte=timezone.now(), purged__isnull=True)


def purged(job_id: uuid.UUID) -> bool:
    """Note that the files of an ended job are gone; False when that is known."""
    with transaction.atomic():
        changed = purgeable().filter(pk=job_id).update(purged=timezone.now())
        if changed:
            Output.objects.filter(job_id=job_id).delete()
            logger.info("job purged", job=str(job_id))
    return bool(changed)


class Orphans:
    """Removes, now and then, files that no row of the database speaks of."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next = clock()

    def round(self) -> None:
        """Look at all files if it is time to."""
        if self._clock() >= self._next:
            self._next = self._clock() + PAUSE
            remove_orphans()


def remove_orphans() -> int:
    """Remove from the folder of results what belongs to no result; return how many places.

    These are folders of jobs that are unknown, failed, dismissed or expired, and files that an
    earlier attempt left beside those of a job that succeeded. Names that are not ours stay.
    """
    removed = 0
    for folder in _folders():
        # Listed before the row is read: what is published meanwhile is not in the list.
        files = sorted(folder.iterdir())
        job = Job.objects.filter(pk=folder.name).first()
        for orphan in _orphans(folder, files, job):
            _remove(orphan)
            removed += 1
    return removed


def _folders() -> Iterator[Path]:
    outputs = settings.COMPUTE.outputs_dir
    for folder in outputs.glob("*/*/"):
        try:
            uuid.UUID(folder.name)
        except ValueError:
            continue
        yield folder


def _orphans(folder: Path, files: list[Path], job: Job | None) -> list[Path]:
    if job is None or job.owner != folder.parent.name:
        age = timezone.now().timestamp() - folder.stat().st_mtime
        return [folder] if age > ORPHAN_AGE.total_seconds() else []
    if job.status in ACTIVE:
        return []
    if job.status != State.SUCCEEDED or job.purged:
        return [folder]
    kept = {settings.COMPUTE.outputs_dir / output.path for output in job.outputs.all()}
    return [file for file in files if file not in kept]


def _remove(path: Path) -> None:
    logger.info("orphan removed", path=str(path.relative_to(settings.COMPUTE.outputs_dir)))
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
