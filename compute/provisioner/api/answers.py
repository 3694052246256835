"""The shapes of answers, made from rows: what people wrote, and how it stands."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal, Self
from uuid import UUID

from django.utils import timezone
from pydantic import BaseModel, Field

from compute.provisioner import models, usage
from compute.provisioner.schemas import (
    BootProfileBody,
    ComputeNodeBody,
    GroupBody,
    PoolBody,
    Toleration,
)

NodeState = Literal["requested", "starting", "ready", "draining", "stopped", "lost", "failed"]


class Pool(PoolBody):
    """A pool and how it stands."""

    nodes: dict[str, int] = Field(description="Nodes that are there, by state")
    circuit: Literal["closed", "open", "half-open"] = Field(
        description="Whether it may start nodes: yes, no, or one to try"
    )
    circuit_since: datetime | None
    circuit_until: datetime | None = Field(description="When an open circuit lets one node try")
    last_scaled: datetime | None
    created: datetime
    updated: datetime
    version: int

    @classmethod
    def of(cls, row: models.Pool, nodes: Counter[str]) -> Self:
        """Show a pool whose nodes have been counted by state."""
        tolerations = [Toleration(**toleration) for toleration in row.tolerations]
        return _shown(cls, row, nodes=dict(nodes), tolerations=tolerations)


class Event(BaseModel):
    """Something that happened to a record."""

    id: int
    time: datetime
    kind: Literal["Pool", "ComputeNode", "Group", "BootProfile"]
    name: str
    type: Literal["normal", "warning"]
    reason: str = Field(description="What happened, in a word")
    text: str = Field(description="What happened, in a sentence")
    actor: str = Field(description="Who did it: a caller, `provisioner` or `node`")
    pool: str

    @classmethod
    def of(cls, row: models.Event) -> Self:
        """Show an event."""
        return cls.model_construct(**{name: getattr(row, name) for name in cls.model_fields})


class ComputeNode(ComputeNodeBody):
    """A compute node and how it stands."""

    state: NodeState
    target: Literal["running", "stopped"] = Field(description="Where it is to get to")
    reason: str = Field(description="Why it is in its state")
    by_hand: bool = Field(description="Created by a person; never stopped for want of work")
    interrupted: bool = Field(description="A spot node that was taken away")
    capacity: Literal["on-demand", "spot"]
    price_per_hour: float
    reference: str = Field(description="Process or pod it is")
    jobs: list[UUID] = Field(description="Jobs it runs")
    node_seconds: float = Field(description="Time it has been there")
    cost: float
    saved: float = Field(description="What it cost less than an on-demand node")
    requested: datetime
    started: datetime | None
    ready_at: datetime | None
    heartbeat: datetime | None = Field(description="Last sign of life")
    drain_deadline: datetime | None = Field(description="When running jobs are handed back")
    ended: datetime | None
    created: datetime
    updated: datetime
    version: int

    @classmethod
    def of(cls, row: models.Node, **more: Any) -> Self:
        """Show a node whose jobs and boot profile are at hand."""
        spent = usage.spent(row, None, timezone.now())
        running = [job.job for job in row.jobs.all() if job.ended is None]
        values = {
            "pool": row.pool_name or None,
            "boot_profile": row.boot_profile.name if row.boot_profile else None,
            "jobs": running if row.state in models.PRESENT else [],
            "node_seconds": spent.node_seconds,
            "cost": spent.cost,
            "saved": spent.saved,
        }
        return _shown(cls, row, **values, **more)


class ComputeNodeWithEvents(ComputeNode):
    """A compute node with what happened to it last."""

    events: list[Event]


class Group(GroupBody):
    """A group and its members."""

    members: list[str] = Field(description="Names of the nodes that belong to it at the moment")
    created: datetime
    updated: datetime
    version: int

    @classmethod
    def of(cls, row: models.Group, members: Iterable[str]) -> Self:
        """Show a group with the names of its members."""
        return _shown(cls, row, members=list(members))


class BootProfile(BootProfileBody):
    """A boot profile and its nodes."""

    used_by: list[str] = Field(description="Names of the nodes that are booted with it")
    created: datetime
    updated: datetime
    version: int

    @classmethod
    def of(cls, row: models.BootProfile) -> Self:
        """Show a boot profile whose nodes are at hand."""
        names = [node.name for node in row.nodes.all()]
        return _shown(cls, row, used_by=names)


class Drained(BaseModel):
    """Nodes that were told to end; those that were leaving already are not among them."""

    drained: list[str]


class Drain(BaseModel):
    """How long jobs may go on."""

    seconds: float | None = Field(
        None,
        ge=0,
        le=10**8,
        description="Seconds until running jobs are handed back; null: as the pool says",
    )


class Spent(BaseModel):
    """Time of nodes and its cost."""

    node_seconds: float
    cost: float
    on_demand_cost: float = Field(description="What the same time would have cost on demand")
    saved: float

    @classmethod
    def of(cls, spent: usage.Spent, **more: Any) -> Self:
        """Show what was spent."""
        return cls(
            node_seconds=spent.node_seconds,
            cost=spent.cost,
            on_demand_cost=spent.on_demand_cost,
            saved=spent.saved,
            **more,
        )


class SpentOn(Spent):
    """Time of nodes and its cost, for a pool, owner or job."""

    name: str = Field(description="Pool, owner or job; `idle` where nodes did nothing for anybody")


class Usage(BaseModel):
    """What nodes cost between two times, the dearest row first."""

    since: datetime
    until: datetime
    by: usage.By
    total: Spent
    items: list[SpentOn]
    next: str | None


def _shown(cls: Any, row: models.Record, **more: Any) -> Any:
    names = (name for name in cls.model_fields if name not in more and hasattr(row, name))
    return cls.model_construct(**{name: getattr(row, name) for name in names} | more)
