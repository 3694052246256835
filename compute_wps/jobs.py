"""A job's life: each change is one conditional update, and its row count says whether it happened.

Running any of these twice, or losing the process between two of them, leaves a state from which the
next round of `upkeep` goes on.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import partial, update_wrapper
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from compute_wps import census, delivery, fairness, history, limits, retention
from compute_wps.history import Said
from compute_wps.identity import NOBODY, Caller
from compute_wps.models import ACTIVE, FINISHED, Job, Outbox, Output, State

INGRESS, DEFAULT = "ingress", "default"
"""Queues: of workflows of our own processes, and of everything else."""


def accept(
    *,
    identifier: str,
    document: str,
    queue: str,
    base_url: str,
    caller: Caller = NOBODY,
    request_id: str = "",
    identity: str = "",
    reuse: bool = True,
) -> Job:
    """Remember a new job and see to it that its id reaches the queue, now or by the next sweep.

    Raises ProtocolError when the caller has too many jobs or results.
    """
    now = timezone.now()
    with transaction.atomic():
        fairness.lock()
        standing = census.standing(caller.account, queue)
        limits.check_new(standing)
        turn = fairness.turn(standing, caller.account)
        job = Job.objects.create(
            identifier=identifier,
            document=document,
            queue=queue,
            base_url=base_url,
            owner=caller.owner,
            account=caller.account,
            turn=turn,
            rank=fairness.rank(turn, now),
            request_id=request_id,
            identity=identity,
            reuse=reuse,
            message="waiting for a worker",
            accepted=now,
            updated=now,
        )
        delivery.post(job)
        history.entered(job, State.ACCEPTED, job.message)
        _afterwards(delivery.deliver, job.id, job.queue)
    return job


def take(job_id: UUID, worker: str) -> Job | None:
    """Start the job whose turn it is in the queue of the given one; None when there is none."""
    queue = Job.objects.filter(pk=job_id).values_list("queue", flat=True).first()
    return claim_next(queue, worker) if queue else None


def claim_next(queue: str, worker: str) -> Job | None:
    """Start the job of the queue whose turn it is; None when none may be started."""
    with transaction.atomic():
        fairness.lock()
        while job_id := fairness.next_job(queue):
            if job := claim(job_id, worker):
                return job
    return None


def claim(job_id: UUID, worker: str) -> Job | None:
    """Start an accepted job; None when it is not there to be started, as on a second delivery."""
    now = timezone.now()
    with transaction.atomic(savepoint=False):
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
        history.entered(job, State.STARTED, job.message, worker=worker)
    return job


def heartbeat(job_id: UUID, worker: str, attempt: int, seconds: float = 0.0) -> bool:
    """Extend the lease; False when the job is no longer this worker's, or has run for too long.

    `seconds` is how long it has run since the last time, by the worker's monotonic clock.
    """
    held = _held(job_id, worker, attempt)
    held.update(lease_expires=_lease_end(timezone.now()), ran=F("ran") + seconds)
    end_overdue(held)
    return held.exists()


def holds(job_id: UUID, worker: str, attempt: int) -> bool:
    """Tell whether the job is still this worker's to run."""
    return _held(job_id, worker, attempt).exists()


def report(
    job_id: UUID,
    worker: str,
    attempt: int,
    said: Iterable[Said],
    input_bytes: int | None = None,
) -> bool:
    """Record progress, and how many bytes the job reads once that is known.

    The percent shown never falls. Returns False when there is nothing new.
    """
    held = _held(job_id, worker, attempt)
    with transaction.atomic():
        job = held.select_for_update().first()
        news = history.news(job, said) if job else []
        changes: dict[str, Any] = {} if input_bytes is None else {"input_bytes": input_bytes}
        if job and news:
            last = news[-1]
            changes |= {"percent": last.percent, "message": last.message, "updated": last.when}
            history.say(job, State.STARTED, news)
        return bool(changes and held.update(**changes))


def succeed(job_id: UUID, worker: str, attempt: int, outputs: list[Output]) -> bool:
    """Close the job with its outputs; False when it is no longer this worker's."""
    with transaction.atomic():
        changes = {"percent": 100, "message": "done"}
        job = _close(_held(job_id, worker, attempt), job_id, State.SUCCEEDED, changes)
        if job:
            for output in outputs:
                # A try whose transaction was lost has left its number on the output.
                output.pk, output.job = None, job
            Output.objects.bulk_create(outputs)
            history.entered(job, State.SUCCEEDED, job.message)
    return job is not None


def fail(
    job_id: UUID, worker: str, attempt: int, *, code: str, locator: str | None, text: str
) -> bool:
    """Close the job with an error in OGC's terms; False when it is no longer this worker's."""
    return _fail(_held(job_id, worker, attempt), job_id, code, locator, text)


def release(
    job_id: UUID, worker: str, attempt: int, message: str = "handed back by its worker"
) -> bool:
    """Hand the job back to its queue; False when it is no longer this worker's."""
    return _requeue(_held(job_id, worker, attempt), job_id, message)


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
            history.entered(job, State.DISMISSED, job.message)
    return job is not None


def is_dismissed(job_id: UUID) -> bool:
    """Tell whether the job was given up by its owner."""
    return Job.objects.filter(pk=job_id, status=State.DISMISSED).exists()


def end_overdue(running: QuerySet[Job]) -> int:
    """Fail those of the running jobs that ran for longer than they may; return how many.

    All attempts count, and only by the clocks of those who ran them: the date may jump.
    """
    overdue = running.filter(status=State.STARTED, ran__gte=settings.COMPUTE.job_seconds)
    return sum(
        _fail(overdue.filter(pk=job_id), job_id, "NoApplicableCode", None, limits.too_long())
        for job_id in list(overdue.values_list("pk", flat=True))
    )


def running() -> QuerySet[Job]:
    """Return the jobs that workers hold."""
    return Job.objects.filter(status=State.STARTED)


def reap(job: Job) -> bool:
    """Take a running job from its lost worker; False when its lease has moved since it was read.

    It goes back to its queue or, when that was the last worker it may lose, fails.
    """
    lost = job.lost + 1
    same = running().filter(pk=job.pk, attempt=job.attempt, lease_expires=job.lease_expires)
    if lost < settings.COMPUTE.max_attempts:
        text = f"its worker was lost in attempt {job.attempt}; waiting again"
        return _requeue(same, job.pk, text, lost=lost)
    text = f"The job was given up: {lost} workers were lost while they ran it."
    return _fail(same, job.pk, "NoApplicableCode", None, text, lost=lost)


def lose(job_id: UUID, attempt: int) -> bool:
    """Take a running job from a worker known to be gone; False when it does not run any more."""
    job = running().filter(pk=job_id, attempt=attempt).first()
    return job is not None and reap(job)


def retake(job_id: UUID, worker: str, attempt: int) -> bool:
    """Take back a job that was given up as lost while its worker still ran it; False when too late.

    It is too late when another worker has claimed the job or when it has ended.
    """
    waiting = Job.objects.filter(pk=job_id, status=State.ACCEPTED, attempt=attempt)
    with transaction.atomic():
        now = timezone.now()
        message = f"its worker is back in attempt {attempt}"
        changed = waiting.update(
            status=State.STARTED,
            worker=worker,
            lease_expires=_lease_end(now),
            message=message,
            updated=now,
        )
        if changed:
            Outbox.objects.filter(job_id=job_id).delete()
            history.entered(Job.objects.get(pk=job_id), State.STARTED, message, worker=worker)
    return bool(changed)


def is_failed(job_id: UUID) -> bool:
    """Tell whether the job ended with an error."""
    return Job.objects.filter(pk=job_id, status=State.FAILED).exists()


def _held(job_id: UUID, worker: str, attempt: int) -> QuerySet[Job]:
    return Job.objects.filter(pk=job_id, status=State.STARTED, worker=worker, attempt=attempt)


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.COMPUTE.lease_seconds)


def _requeue(jobs: QuerySet[Job], job_id: UUID, message: str, **changes: Any) -> bool:
    with transaction.atomic():
        changed = jobs.update(
            status=State.ACCEPTED,
            worker="",
            lease_expires=None,
            message=message,
            updated=timezone.now(),
            **changes,
        )
        if changed:
            job = Job.objects.get(pk=job_id)
            delivery.post(job)
            history.entered(job, State.ACCEPTED, message, attempt=job.attempt)
            _afterwards(delivery.deliver, job.id, job.queue)
    return bool(changed)


def _fail(
    jobs: QuerySet[Job], job_id: UUID, code: str, locator: str | None, text: str, **changes: Any
) -> bool:
    changes |= {
        "message": (text := history.storable(text)),
        "error_code": code,
        "error_locator": history.storable(locator or ""),
        "error_text": text,
    }
    with transaction.atomic():
        job = _close(jobs, job_id, State.FAILED, changes)
        if job:
            history.entered(job, State.FAILED, text, code=code)
    return job is not None


def _close(jobs: QuerySet[Job], job_id: UUID, state: str, changes: dict[str, Any]) -> Job | None:
    """End those of the jobs that have this id; what its account has waiting may start then."""
    now = timezone.now()
    ended: dict[str, Any] = {
        "status": state,
        "worker": "",
        "lease_expires": None,
        "finished": now,
        "updated": now,
    }
    if not jobs.update(**(ended | changes)):
        return None
    job = Job.objects.get(pk=job_id)
    if job.expires is None:
        job.expires = retention.expiry(job)
        job.save(update_fields=["expires"])
    _afterwards(_call_next, job)
    return job


def _afterwards(function: Callable[..., object], *arguments: Any) -> None:
    """Call a function once the change holds; what goes wrong then is logged, not raised."""
    # The log names the function, so it has to have a name.
    named = update_wrapper(partial(function, *arguments), function)
    transaction.on_commit(named, robust=True)


def _call_next(job: Job) -> None:
    """Send again what may have waited for this job: its message may have passed it over."""
    for job_id in fairness.next_after(job):
        delivery.resend(job_id)
