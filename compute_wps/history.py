"""What is recorded of a job beside its row: the states it came into and what was said meanwhile."""

from datetime import datetime
from functools import partial
from typing import Any

import structlog
from django.db import transaction

from compute_wps import metrics
from compute_wps.models import Job, Message, Status

logger = structlog.get_logger(__name__)


def entered(job: Job, state: str, message: str, **fields: Any) -> None:
    """Record a state the job has come into, and log and count it once the change holds."""
    say(job, state, message, job.updated)
    event = {"job": str(job.id), "request": job.request_id, "process": job.identifier, **fields}
    transaction.on_commit(partial(logger.info, f"job {state}", **event))
    transaction.on_commit(metrics.JOB_STATE.labels(state).inc)


def say(job: Job, state: str, message: str, now: datetime) -> None:
    """Record a message of the job while it is in a state."""
    (status,) = Status.objects.bulk_create(
        [Status(job=job, status=state, created=now, updated=now)],
        update_conflicts=True,
        unique_fields=["job", "status"],
        update_fields=["updated"],
    )
    Message.objects.create(status=status, message=message, percent=job.percent, created=now)


def storable(text: str) -> str:
    """Return the text without what a database cannot hold."""
    return text.encode(errors="replace").decode().replace("\0", "")
