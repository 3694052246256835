"""A job's life: each change is one conditional update, and its row count says whether it happened.

Running any of these twice, or losing the process between two of them, leaves a state from which the
next round of `maintain` goes on.
"""

from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet, Value
from django.db.models.functions import Greatest
from django.utils import timezone

from compute_wps import delivery, metrics
from compute_wps.models import ACTIVE, FINISHED, Job, Message, Outbox, Output, State, Status

INGRESS, DEFAULT = "ingress", "default"
"""Queues: of workflows of our own processes, and of everything else."""

logger = structlog.get_logger(__name__)


def accept(
    *,
    identifier: str,
    document: str,
    queue: str,
    base_url: str,
    owner: str = "anonymous",
    request_id: str = "",
) -> Job:
    """Remember a new job and see to it that its id reaches the queue, now or by the next sweep."""
    now = timezone.now()
    with transaction.atomic():
        job = Job.objects.create(
            identifier=identifier,
            document=document,
            queue=queue,
            base_url=base_url,
            owner=owner,
            request_id=request_id,
            message="waiting for a worker",
            accepted=now,
            updated=now,
        )
        delivery.post(job)
        _entered(job, State.ACCEPTED, job.message)
        transaction.on_commit(partial(delivery.deliver, job.id), robust=True)
    return job


def claim(job_id: UUID, worker: str) -> Job | None:
    """Start an accepted job; None when it is not there to be started, as on a second delivery."""
    now = timezone.now()
    with transaction.atomic():
        changed = Job.objects.filter(pk=job_id, status=State.ACCEPTED).update(
            status=State.STARTED,
            worker=worker,
            attempt=F("attempt") + 1,
            lease_expires=_lease_end(now),
            message="started",
            started=now,
            updated=now,
        )
        if not changed:
            return None
        Outbox.objects.filter(job_id=job_id).delete()
        job = Job.objects.get(pk=job_id)
        _entered(job, State.STARTED, job.message, worker=worker)
    return job


def heartbeat(job_id: UUID, worker: str, attempt: int) -> bool:
    """Extend the lease; False when the job is no longer this worker's."""
    return bool(_held(job_id, worker, attempt).update(lease_expires=_lease_end(timezone.now())))


def holds(job_id: UUID, worker: str, attempt: int) -> bool:
    """Tell whether the job is still this worker's to run."""
    return _held(job_id, worker, attempt).exists()


def report(job_id: UUID, worker: str, attempt: int, percent: int, message: str) -> bool:
    """Record progress; False when nothing is new. The percent shown never falls."""
    now, message = timezone.now(), _storable(message)
    said = _held(job_id, worker, attempt).exclude(percent__gte=percent, message=message)
    with transaction.atomic():
        changed = said.update(
            percent=Greatest("percent", Value(min(max(percent, 0), 100))),
            message=message,
            updated=now,
        )
        if changed:
            _say(Job.objects.get(pk=job_id), State.STARTED, message, now)
    return bool(changed)


def succeed(job_id: UUID, worker: str, attempt: int, outputs: list[Output]) -> bool:
    """Close the job with its outputs; False when it is no longer this worker's."""
    with transaction.atomic():
        changes = {"percent": 100, "message": "done"}
        job = _close(_held(job_id, worker, attempt), job_id, State.SUCCEEDED, changes)
        if job:
            for output in outputs:
                output.job = job
            Output.objects.bulk_create(outputs)
            _entered(job, State.SUCCEEDED, job.message)
    return job is not None


def fail(
    job_id: UUID, worker: str, attempt: int, *, code: str, locator: str | None, text: str
) -> bool:
    """Close the job with an error in OGC's terms; False when it is no longer this worker's."""
    return _fail(_held(job_id, worker, attempt), job_id, code, locator, text)


def release(job_id: UUID, worker: str, attempt: int) -> bool:
    """Hand the job back to its queue; False when it is no longer this worker's."""
    return _requeue(_held(job_id, worker, attempt), job_id, "handed back by its worker")


def dismiss(job_id: UUID) -> bool:
    """Stop a job that waits or runs, or give up a finished one; False when there is none such.

    Its files fall due for removal at once; a worker running it finds out by its next heartbeat.
    """
    with transaction.atomic():
        present = Job.objects.filter(pk=job_id, status__in=(*ACTIVE, *FINISHED))
        changes = {"message": "dismissed", "expires": timezone.now()}
        job = _close(present, job_id, State.DISMISSED, changes)
        if job:
            Outbox.objects.filter(job=job).delete()
            Output.objects.filter(job=job).delete()
            _entered(job, State.DISMISSED, job.message)
    return job is not None


def is_dismissed(job_id: UUID) -> bool:
    """Tell whether the job was given up by its owner."""
    return Job.objects.filter(pk=job_id, status=State.DISMISSED).exists()


def reap() -> int:
    """Give the jobs of lost workers back to their queues, or fail them after too many attempts.

    Returns how many changed.
    """
    now = timezone.now()
    lost = Job.objects.filter(status=State.STARTED, lease_expires__lt=now)
    return sum(_reap(job, lost) for job in list(lost))


def purgeable() -> QuerySet[Job]:
    """Return the ended jobs whose files are due for removal."""
    ended = Job.objects.filter(status__in=(*FINISHED, State.DISMISSED))
    return ended.filter(expires__lte=timezone.now(), purged__isnull=True)


def purged(job_id: UUID) -> bool:
    """Note that the files of an ended job are gone; False when that is known."""
    with transaction.atomic():
        changed = purgeable().filter(pk=job_id).update(purged=timezone.now())
        if changed:
            Output.objects.filter(job_id=job_id).delete()
            logger.info("job purged", job=str(job_id))
    return bool(changed)


def _reap(job: Job, lost: QuerySet[Job]) -> bool:
    same = lost.filter(pk=job.pk, attempt=job.attempt)
    if job.attempt < settings.COMPUTE.max_attempts:
        return _requeue(
            same, job.pk, f"its worker was lost in attempt {job.attempt}; waiting again"
        )
    text = f"The job was given up: {job.attempt} workers were lost while they ran it."
    return _fail(same, job.pk, "NoApplicableCode", None, text)


def _held(job_id: UUID, worker: str, attempt: int) -> QuerySet[Job]:
    return Job.objects.filter(pk=job_id, status=State.STARTED, worker=worker, attempt=attempt)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.COMPUTE.lease_seconds)


def _requeue(jobs: QuerySet[Job], job_id: UUID, message: str) -> bool:
    with transaction.atomic():
        changed = jobs.update(
            status=State.ACCEPTED,
            worker="",
            lease_expires=None,
            message=message,
            updated=timezone.now(),
        )
        if changed:
            job = Job.objects.get(pk=job_id)
            delivery.post(job)
            _entered(job, State.ACCEPTED, message, attempt=job.attempt)
            transaction.on_commit(partial(delivery.deliver, job.id), robust=True)
    return bool(changed)


def _fail(jobs: QuerySet[Job], job_id: UUID, code: str, locator: str | None, text: str) -> bool:
    changes = {
        "message": (text := _storable(text)),
        "error_code": code,
        "error_locator": _storable(locator or ""),
        "error_text": text,
    }
    with transaction.atomic():
        job = _close(jobs, job_id, State.FAILED, changes)
        if job:
            _entered(job, State.FAILED, text, code=code)
    return job is not None


def _close(jobs: QuerySet[Job], job_id: UUID, state: str, changes: dict[str, Any]) -> Job | None:
    now = timezone.now()
    ended: dict[str, Any] = {
        "status": state,
        "worker": "",
        "lease_expires": None,
        "finished": now,
        "updated": now,
        "expires": now + timedelta(days=settings.COMPUTE.retention_days),
    }
    return Job.objects.get(pk=job_id) if jobs.update(**(ended | changes)) else None


def _entered(job: Job, state: str, message: str, **fields: Any) -> None:
    """Record a state the job has come into, and say so once the change holds."""
    _say(job, state, message, job.updated)
    event = {"job": str(job.id), "request": job.request_id, "process": job.identifier, **fields}
    transaction.on_commit(partial(logger.info, f"job {state}", **event))
    transaction.on_commit(metrics.JOB_STATE.labels(state).inc)


def _say(job: Job, state: str, message: str, now: datetime) -> None:
    status, new = Status.objects.get_or_create(
        job=job, status=state, defaults={"created": now, "updated": now}
    )
    if not new:
        Status.objects.filter(pk=status.pk).update(updated=now)
    Message.objects.create(status=status, message=message, percent=job.percent, created=now)


def _storable(text: str) -> str:
    """Return the text without what a database cannot hold."""
    return text.encode(errors="replace").decode().replace("\0", "")
