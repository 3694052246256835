"""What is recorded of a job beside its row: the states it came into and what was said meanwhile."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.db import transaction
from django.utils import timezone

from compute_wps import metrics
from compute_wps.models import Job, Message, Status

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Said:
    """What a job said of itself: how far it is in percent, a text, and when it said so."""

    percent: int
    message: str
    when: datetime = field(default_factory=lambda: timezone.now())


def entered(job: Job, state: str, message: str, **fields: Any) -> None:
    """Record a state the job has come into, and log and count it once the change holds."""
    say(job, state, [Said(job.percent, message, job.updated)])
    event = {"job": str(job.id), "request": job.request_id, "process": job.identifier, **fields}
    transaction.on_commit(partial(logger.info, f"job {state}", **event))
    transaction.on_commit(metrics.JOB_STATE.labels(state).inc)


def news(job: Job, said: Iterable[Said]) -> list[Said]:
    """Return what of this a job has not said yet, fit for the database.

    The percent never falls, and time does not run backwards.
    """
    result: list[Said] = []
    percent, message, when = job.percent, job.message, job.updated
    for one in said:
        text, share = storable(one.message), max(percent, min(one.percent, 100))
        if (share, text) != (percent, message):
            percent, message, when = share, text, max(when, one.when)
            result.append(Said(percent, message, when))
    return result


def say(job: Job, state: str, said: Sequence[Said]) -> None:
    """Record what the job said while it was in a state, at least one thing."""
    first, last = said[0].when, said[-1].when
    (status,) = Status.objects.bulk_create(
        [Status(job=job, status=state, created=first, updated=last)],
        update_conflicts=True,
        unique_fields=["job", "status"],
        update_fields=["updated"],
    )
    Message.objects.bulk_create(
        Message(status=status, message=one.message, percent=one.percent, created=one.when)
        for one in said
    )


def storable(text: str) -> str:
    """Return the text without what a database cannot hold."""
    return text.encode(errors="replace").decode().replace("\0", "")
