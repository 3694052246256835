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

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from statistics import median
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Count

from compute_wps import census
from compute_wps.census import Standing
from compute_wps.identity import ANONYMOUS
from compute_wps.models import Gate, Job, State

RECENT = 20
"""Succeeded jobs of a process that tell how long the next takes."""
FRESH_SECONDS = 5.0
"""For how long that is believed; whoever looks at a waiting job gets a rough time anyway."""


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


def turn(standing: Standing, account: str) -> float:
    """Return the turn of a new job of an account that stands like this in the queue."""
    present = min((t for t in (standing.started, standing.next) if t is not None), default=0.0)
    return present if standing.own is None else max(present, standing.own + 1 / weight(account))


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
    return census.next_job(queue, settings.COMPUTE.running_jobs)


def startable(queue: str) -> int:
    """Return how many jobs of a queue may be started before others have to end."""
    allowed = settings.COMPUTE.running_jobs
    waiting = census.startable(queue, allowed)
    started = Job.objects.filter(status=State.STARTED).order_by()
    running = dict(started.values_list("account").annotate(Count("pk")))
    return sum(min(count, allowed - running.get(who, 0)) for who, count in waiting.items())


def next_after(job: Job) -> set[UUID]:
    """Return what may start now that a job has ended: the next of its account, and the next twin.

    One of its twins is enough: while that runs the others have to wait again, and then it is asked
    likewise.
    """
    waiting = Job.objects.filter(status=State.ACCEPTED).order_by("rank", "id")
    held_up = [waiting.filter(account=job.account)]
    if job.identity:
        held_up.append(waiting.filter(owner=job.owner, identity=job.identity, reuse=True))
    return {pk for held in held_up for pk in held.values_list("pk", flat=True)[:1]}


def place(job: Job) -> Place:
    """Return where a waiting job stands."""
    line = census.line(job)
    position = line.ahead + 1
    took = usual_seconds(job.identifier, int(time.monotonic() // FRESH_SECONDS))
    wait = None if took is None else timedelta(seconds=took * position / max(1, line.running))
    return Place(position, line.waiting, line.running, wait)


@lru_cache(maxsize=256)
def usual_seconds(identifier: str, period: int) -> float | None:
    """Return how long jobs of a process took of late, None if there were none.

    It is looked up once in each period of FRESH_SECONDS.
    """
    took = _recent(identifier)
    return median(took) if took else None


def message(job: Job) -> str:
    """Return what a job says of itself: while it waits, with its place."""
    if job.status != State.ACCEPTED:
        return job.message
    found = place(job)
    text = f"{job.message}: number {found.position} of {found.waiting} in the queue, "
    text += f"{found.running} running"
    return f"{text}; it may start in about {_rough(found.wait)}" if found.wait else text


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
