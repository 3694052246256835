"""Whose job is next.

A message in a queue means "take the next job of this queue"; which one that is, the database says.
Each job gets a turn when it is accepted: one later than the last of its account's jobs that waits
or runs, but never earlier than the turn the queue has come to, so that nobody saves turns up.
The first jobs of all accounts thus come before the second ones, however many somebody sent before.
An account of weight w takes w turns where others take one.

The next job is the one of the lowest rank, which is its turn plus the time it was accepted in units
of COMPUTE_AGING_HOURS: waiting that long is worth one turn, so that newcomers keep nobody out for
ever. Passed over are the jobs of an account that runs as many as it may, and those that an
identical one runs for, until one of these ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count, Exists, Max, Min, OuterRef, Q, QuerySet

from compute_wps.identity import ANONYMOUS
from compute_wps.models import ACTIVE, Gate, Job, State

RECENT = 20
"""Succeeded jobs of a process that tell how long the next takes."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting job stands: its number in the queue of so many, and how many jobs run.

    `wait` is when it may start, from how long jobs of its process took; None if none has yet.
    """

    position: int
    waiting: int
    running: int
    wait: timedelta | None


def lock() -> None:
    """Hold the gate until the transaction ends, so that what is counted stays as it was."""
    if not connection.features.has_select_for_update:
        # A transaction holds all of such a database.
        return
    Gate.objects.select_for_update().get_or_create(pk=1)


def turn(queue: str, account: str) -> float:
    """Return the turn of a new job of the account in the queue."""
    active = Job.objects.filter(queue=queue, status__in=ACTIVE)
    ends = active.aggregate(
        own=Max("turn", filter=Q(account=account)),
        started=Max("turn", filter=Q(status=State.STARTED)),
        waiting=Min("turn", filter=Q(status=State.ACCEPTED)),
    )
    present = min((t for t in (ends["started"], ends["waiting"]) if t is not None), default=0.0)
    return present if ends["own"] is None else max(present, ends["own"] + 1 / weight(account))


def weight(account: str) -> float:
    """Return how many turns the account takes where others take one."""
    weights = settings.COMPUTE.weights_by_name
    kind = ANONYMOUS if account.startswith(f"{ANONYMOUS}@") else account
    return weights.get(account, weights.get(kind, 1.0))


def rank(turn: float, accepted: datetime) -> float:
    """Return where a job stands in its queue; the lowest is next."""
    return turn + accepted.timestamp() / (3600 * settings.COMPUTE.aging_hours)


def next_job(queue: str) -> UUID | None:
    """Return the job of a queue that is to be started next, None when there is none."""
    return _startable(queue).values_list("pk", flat=True).first()


def startable(queue: str) -> int:
    """Return how many jobs of a queue may be started before others have to end."""
    waiting = _startable(queue).order_by().values_list("account").annotate(Count("pk"))
    started = Job.objects.filter(status=State.STARTED).order_by()
    running = dict(started.values_list("account").annotate(Count("pk")))
    allowed = settings.COMPUTE.running_jobs
    return sum(min(count, allowed - running.get(account, 0)) for account, count in waiting)


def next_after(job: Job) -> set[UUID]:
    """Return what may start now that a job has ended: the next of its account, and its twins."""
    waiting = Job.objects.filter(status=State.ACCEPTED).order_by("rank", "id")
    own = waiting.filter(account=job.account).values_list("pk", flat=True)[:1]
    twins = waiting.filter(owner=job.owner, identity=job.identity).exclude(identity="")
    return {*own, *twins.values_list("pk", flat=True)}


def place(job: Job) -> Place:
    """Return where a waiting job stands."""
    waits = Q(status=State.ACCEPTED)
    before = waits & (Q(rank__lt=job.rank) | Q(rank=job.rank, pk__lt=job.pk))
    found = Job.objects.filter(queue=job.queue, status__in=ACTIVE).aggregate(
        ahead=Count("pk", filter=before),
        waiting=Count("pk", filter=waits),
        running=Count("pk", filter=Q(status=State.STARTED)),
    )
    position, running = found["ahead"] + 1, found["running"]
    took = _recent(job.identifier)
    wait = timedelta(seconds=median(took) * position / max(1, running)) if took else None
    return Place(position, found["waiting"], running, wait)


def message(job: Job) -> str:
    """Return what a job says of itself: while it waits, with its place."""
    if job.status != State.ACCEPTED:
        return job.message
    found = place(job)
    text = f"{job.message}: number {found.position} of {found.waiting} in the queue, "
    text += f"{found.running} running"
    return f"{text}; it may start in about {_rough(found.wait)}" if found.wait else text


def _waiting(queue: str) -> QuerySet[Job]:
    return Job.objects.filter(queue=queue, status=State.ACCEPTED).order_by("rank", "id")


def _startable(queue: str) -> QuerySet[Job]:
    """Return the waiting jobs but those that an account at its limit or a twin holds up."""
    started = Job.objects.filter(status=State.STARTED)
    twin = started.filter(owner=OuterRef("owner"), identity=OuterRef("identity"))
    free = _waiting(queue).exclude(account__in=_at_limit())
    return free.exclude(Exists(twin), ~Q(identity=""), reuse=True)


def _at_limit() -> QuerySet[Job, str]:
    started = Job.objects.filter(status=State.STARTED).order_by().values("account")
    counted = started.annotate(running=Count("pk"))
    return counted.filter(running__gte=settings.COMPUTE.running_jobs).values("account")


def _recent(identifier: str) -> Sequence[float]:
    """Return the seconds that the last jobs of a process took."""
    done = Job.objects.filter(identifier=identifier, status=State.SUCCEEDED, linked=False)
    times = done.order_by("-finished").values_list("started", "finished")[:RECENT]
    return [(finished - started).total_seconds() for started, finished in times]


def _rough(wait: timedelta) -> str:
    seconds = wait.total_seconds()
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"
