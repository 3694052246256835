"""What the loop changes: each a conditional update, with its event, inside the leader's fence.

The condition is the record as the policy saw it. A record that somebody changed meanwhile stays as
it is, and the next round sees it so.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db.models import Case, F, QuerySet, Value, When
from django.utils import timezone

from compute.provisioner import events
from compute.provisioner.models import (
    Circuit,
    Event,
    Kind,
    Node,
    NodeJob,
    NodeState,
    Pool,
    Target,
)
from compute.provisioner.picture import NodeView, PoolView
from compute_wps import jobs

ACTOR = "provisioner"


def create(seen: PoolView, count: int, why: str) -> list[Node]:
    """Record new nodes of a pool; none if the pool was changed."""
    pools = Pool.objects.filter(name=seen.name, version=seen.version)
    if not pools.update(last_scaled=timezone.now()):
        return []
    pool = pools.get()
    made = [Node.of_pool(pool, new_name(pool.name)) for _ in range(count)]
    for node in made:
        node.save(force_insert=True)
        events.of_node(node, "requested", why, ACTOR)
    return made


def new_name(pool: str) -> str:
    """Return a name that no node has had."""
    return f"{pool}-{secrets.token_hex(4)}"


def may_launch(seen: NodeView) -> Node | None:
    """Return the node that is to be started, None if somebody decided otherwise."""
    return _same(seen).filter(target=Target.RUNNING).select_related("pool").first()


def launched(seen: NodeView, reference: str) -> bool:
    """Note that the backend has started the node; its first sign of life may have come before."""
    requested = When(state=NodeState.REQUESTED, then=Value(NodeState.STARTING))
    rows = Node.objects.filter(pk=seen.id, started__isnull=True, ended__isnull=True)
    changed = rows.update(
        started=timezone.now(), reference=reference, state=Case(requested, default=F("state"))
    )
    if changed:
        _say(seen, "started", f"as {reference}" if reference else "")
    return bool(changed)


def refused(seen: NodeView, text: str, *, transient: bool) -> bool:
    """Note that the backend does not start the node."""
    reason = f"{text} (this may pass)" if transient else text
    changes = {"state": NodeState.FAILED, "ended": timezone.now(), "reason": reason}
    changed = _same(seen).update(**changes)
    if changed:
        _say(seen, "refused", reason, warning=True)
    return bool(changed)


def ready(seen: NodeView) -> bool:
    """Note that a node without a heartbeat of its own is there."""
    changed = _same(seen).update(state=NodeState.READY, ready_at=timezone.now())
    if changed:
        _say(seen, "ready", "")
    return bool(changed)


def drain(seen: NodeView, deadline: float, why: str, *, interrupted: bool) -> bool:
    """Let the node take no more jobs. One that is not told to by anybody must still be idle."""
    rows = _same(seen)
    if not interrupted and seen.target == Target.RUNNING:
        rows = rows.filter(idle_since__isnull=False)
    changed = rows.update(
        state=NodeState.DRAINING,
        target=Target.STOPPED,
        drain_deadline=datetime.fromtimestamp(deadline, UTC),
        interrupted=interrupted or F("interrupted"),
        reason=why,
    )
    if changed:
        _say(seen, "interrupted" if interrupted else "draining", why, warning=interrupted)
        if interrupted:
            replace(Node.objects.get(pk=seen.id))
    return bool(changed)


def end(seen: NodeView, state: str, why: str) -> bool:
    """Note that the node is gone, and give its jobs back to their queues."""
    rows = _same(seen)
    if state == NodeState.LOST and seen.heartbeat is not None:
        rows = rows.filter(heartbeat__lte=datetime.fromtimestamp(seen.heartbeat, UTC))
    now = timezone.now()
    if not rows.update(state=state, ended=now, reason=why, target=Target.STOPPED):
        return False
    _say(seen, state, why, warning=state != NodeState.STOPPED)
    for work in NodeJob.objects.filter(node=seen.id, ended__isnull=True):
        jobs.lose(work.job, work.attempt)
    NodeJob.objects.filter(node=seen.id, ended__isnull=True).update(ended=now)
    was_up = seen.ready_at is not None and seen.target == Target.RUNNING
    if was_up and state in (NodeState.LOST, NodeState.FAILED):
        replace(Node.objects.get(pk=seen.id))
    return True


def replace(gone: Node) -> None:
    """Record another node for one that a person created and that was taken away."""
    if not gone.by_hand or gone.pool is None:
        return
    name = new_name(gone.pool.name)
    kept = ("owner", "labels", "cpu", "memory", "gpu", "image", "description")
    given: Mapping[str, Any] = {field: getattr(gone, field) for field in kept}
    node = Node.of_pool(gone.pool, name, by_hand=True, **given)
    node.save(force_insert=True)
    events.of_node(node, "requested", f"in place of {gone.name}", ACTOR)


def service_ends(backend: str) -> None:
    """Note that the nodes of a backend end because the service does, so nobody has lost them.

    Those that people created are not told: they come back with the service.
    """
    rows = Node.objects.present().filter(pool__backend=backend, by_hand=False)
    rows.filter(state=NodeState.READY).update(state=NodeState.DRAINING)
    rows.update(
        target=Target.STOPPED, drain_deadline=timezone.now(), reason="the service was stopped"
    )


def switch(seen: PoolView, circuit: str, until: float, trips: int, why: str) -> bool:
    """Open, half-open or close the circuit of a pool."""
    rows = Pool.objects.filter(name=seen.name, circuit=seen.circuit, trips=seen.trips)
    changed = rows.update(
        circuit=circuit,
        circuit_since=timezone.now(),
        circuit_until=datetime.fromtimestamp(until, UTC) if until else None,
        trips=trips,
    )
    if changed:
        warning = circuit == Circuit.OPEN
        events.record(Kind.POOL, seen.name, f"circuit-{circuit}", why, ACTOR, warning=warning)
    return bool(changed)


def drained_since(seen: NodeView) -> datetime | None:
    """Return when the node began to drain, None if it never did."""
    said = Event.objects.filter(
        kind=Kind.COMPUTE_NODE, name=seen.name, reason__in=("draining", "interrupted")
    )
    return said.order_by("id").values_list("time", flat=True).first()


def _same(seen: NodeView) -> QuerySet[Node]:
    return Node.objects.filter(pk=seen.id, state=seen.state, version=seen.version)


def _say(seen: NodeView, reason: str, text: str, *, warning: bool = False) -> None:
    events.of_node(Node.objects.get(pk=seen.id), reason, text, ACTOR, warning=warning)
