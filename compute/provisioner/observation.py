"""Taking the picture that the policy decides on: records, jobs, and what the backends see."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import Count, F, Max, Q
from django.utils import timezone

from compute.provisioner import demand
from compute.provisioner.backends.base import Backend, BackendError, Observed
from compute.provisioner.models import PRESENT, Node, NodeJob, Pool
from compute.provisioner.picture import Demand, NodeView, PoolView

COPIED = (
    "name",
    "version",
    "backend",
    "role",
    "minimum",
    "maximum",
    "capacity",
    "fallback",
    "price_per_hour",
    "jobs_per_node",
    "bytes_per_node",
    "step",
    "idle_seconds",
    "cooldown_seconds",
    "start_seconds",
    "heartbeat_seconds",
    "grace_seconds",
    "drain_seconds",
    "failures",
    "window_seconds",
    "retry_seconds",
    "longest_retry_seconds",
    "circuit",
    "trips",
)
NODE_FIELDS = ("id", "name", "state", "target", "version", "by_hand", "interrupted")
NODE_TIMES = (
    "requested",
    "started",
    "ready_at",
    "heartbeat",
    "idle_since",
    "drain_deadline",
    "ended",
)

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    """What there is and what is wanted, at `time` in seconds since the epoch."""

    time: float
    demand: Demand
    pools: Sequence[PoolView]
    nodes: Sequence[NodeView]
    strays: Mapping[str, Sequence[Observed]]


def take(backends: Mapping[str, Backend], heard_since: float = 0.0) -> Picture:
    """Look at everything once.

    The backends are asked first: a node recorded later is not missed there, as it is not started
    yet. Nodes count as heard at `heard_since`, in seconds since the epoch, or later.
    """
    seen = {name: _observe(name, backend) for name, backend in backends.items()}
    reachable = {name: found for name, found in seen.items() if found is not None}
    pools = [_pool(pool, pool.backend in reachable) for pool in Pool.objects.all()]
    by_name = {one.name: one for found in reachable.values() for one in found}
    nodes = _nodes(by_name, heard_since)
    known = {node.name for node in nodes}
    strays = {
        name: [one for one in found if one.name not in known] for name, found in reachable.items()
    }
    return Picture(timezone.now().timestamp(), demand.present(), pools, nodes, strays)


def _observe(name: str, backend: Backend) -> list[Observed] | None:
    try:
        return backend.observe()
    except BackendError as error:
        logger.warning("backend away", backend=name, reason=str(error))
        return None


def _pool(pool: Pool, reachable: bool) -> PoolView:
    return PoolView(
        **{name: getattr(pool, name) for name in COPIED},
        queues=tuple(name.strip() for name in pool.queue.split(",")),
        handback_seconds=min(settings.COMPUTE.grace_seconds, pool.grace_seconds),
        circuit_since=_seconds(pool.circuit_since) or 0.0,
        circuit_until=_seconds(pool.circuit_until) or 0.0,
        last_scaled=_seconds(pool.last_scaled) or 0.0,
        reachable=reachable,
    )


def _nodes(seen: Mapping[str, Observed], heard_since: float) -> list[NodeView]:
    """Return the nodes that are there, ended lately, or are seen although they have ended."""
    window = Pool.objects.aggregate(longest=Max("window_seconds"))["longest"] or 0.0
    lately = Q(ended__gt=timezone.now() - timedelta(seconds=window))
    shown = Q(state__in=PRESENT) | lately | Q(name__in=list(seen))
    rows = Node.objects.filter(shown, pool__isnull=False).order_by("id")
    running = _running()
    nodes = {}
    for row in rows.values(*NODE_FIELDS, *NODE_TIMES, of=F("pool__name")):
        fields: dict[str, Any] = {name: row[name] for name in NODE_FIELDS}
        fields |= {name: _seconds(row[name]) for name in NODE_TIMES}
        if fields["heartbeat"] is not None:
            fields["heartbeat"] = max(fields["heartbeat"], heard_since)
        # A name may be used again once its node has ended; what is seen is the newest one's.
        nodes[row["name"]] = NodeView(
            **fields,
            pool=row["of"],
            jobs=running[row["id"]],
            seen=seen.get(row["name"]),
        )
    return list(nodes.values())


def _running() -> Mapping[int, int]:
    counts = NodeJob.objects.filter(ended__isnull=True).order_by().values_list("node")
    return defaultdict(int, counts.annotate(Count("pk")))


def _seconds(time: datetime | None) -> float | None:
    return None if time is None else time.timestamp()
