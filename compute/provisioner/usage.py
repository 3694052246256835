"""What nodes cost, and whom and what they worked for.

A node costs from its start to its end. That is shared among its jobs by the time each of them ran;
what is left is idle time of the node, which counts for its own owner.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from django.db.models import Prefetch, Q, QuerySet

from compute.provisioner.models import Node, NodeJob

IDLE = "idle"
"""The owner and job of time in which nodes of the service itself did nothing."""

By = Literal["pool", "owner", "job"]


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of nodes, what they cost, and what the same time would have cost on demand."""

    node_seconds: float = 0.0
    cost: float = 0.0
    on_demand_cost: float = 0.0

    @property
    def saved(self) -> float:
        """What spot nodes cost less than on-demand ones."""
        return self.on_demand_cost - self.cost

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.node_seconds + other.node_seconds,
            self.cost + other.cost,
            self.on_demand_cost + other.on_demand_cost,
        )

    def part(self, fraction: float) -> "Spent":
        """Return a fraction of it."""
        return Spent(
            self.node_seconds * fraction, self.cost * fraction, self.on_demand_cost * fraction
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What of a node's time went to a job; without a job it was idle."""

    pool: str
    owner: str
    job: UUID | None
    spent: Spent

    def name(self, by: By) -> str:
        """Return the name of the row the share belongs to."""
        return {"pool": self.pool, "owner": self.owner, "job": str(self.job or IDLE)}[by]


def spent(node: Node, since: datetime | None, until: datetime) -> Spent:
    """Return what a node cost between two times; None is its start."""
    seconds = _seconds(node.started, node.ended, since, until)
    hours = seconds / 3600
    return Spent(seconds, hours * node.price_per_hour, hours * node.on_demand_price_per_hour)


def shares(
    node: Node, jobs: Sequence[NodeJob], since: datetime | None, until: datetime
) -> Iterator[Share]:
    """Divide what a node cost among its jobs; the shares add up to it."""
    whole = spent(node, since, until)
    if not whole.node_seconds:
        return
    end = min(node.ended or until, until)
    times = [(job, _seconds(job.started, job.ended, since, end)) for job in jobs]
    # Jobs that ran side by side took more time together than the node was there.
    basis = max(whole.node_seconds, sum(seconds for _, seconds in times))
    busy = Spent()
    for job, seconds in times:
        part = whole.part(seconds / basis)
        busy += part
        yield Share(node.pool_name, job.owner, job.job, part)
    idle = whole + busy.part(-1)
    if idle.node_seconds > 1e-6:
        yield Share(node.pool_name, node.owner or IDLE, None, idle)


def total(all_shares: Iterable[Share], by: By) -> dict[str, Spent]:
    """Add shares up by pool, owner or job, the dearest first."""
    rows: dict[str, Spent] = {}
    for share in all_shares:
        name = share.name(by)
        rows[name] = rows.get(name, Spent()) + share.spent
    order = sorted(rows, key=lambda name: (-rows[name].cost, -rows[name].node_seconds, name))
    return {name: rows[name] for name in order}


def shares_between(
    since: datetime, until: datetime, condition: Q, owner: str | None = None
) -> Iterator[Share]:
    """Return the shares of the nodes that meet the condition; with an owner, theirs only."""
    for node in nodes_between(since, until).filter(condition).iterator(chunk_size=1000):
        for share in shares(node, node.jobs.all(), since, until):
            if owner is None or share.owner == owner:
                yield share


def nodes_between(since: datetime, until: datetime) -> QuerySet[Node]:
    """Return the nodes that were there at some time between, with their jobs."""
    there = Q(started__lt=until) & (Q(ended__isnull=True) | Q(ended__gt=since))
    jobs = Prefetch("jobs", NodeJob.objects.filter(Q(ended__isnull=True) | Q(ended__gt=since)))
    return Node.objects.filter(there).prefetch_related(jobs)


def _seconds(
    started: datetime | None, ended: datetime | None, since: datetime | None, until: datetime
) -> float:
    if started is None:
        return 0.0
    start = max(started, since) if since else started
    end = min(ended, until) if ended else until
    return max(0.0, (end - start).total_seconds())
