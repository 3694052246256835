"""Sending nodes away: they take no more jobs, finish what runs, and end.

A person's drain sets the target and the deadline; a ready node is draining at once, so that its
worker learns it even while nobody leads. The loop does the rest.
"""

from collections.abc import Iterable
from datetime import timedelta

from django.db import transaction
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.db.models.functions import Now
from django.utils import timezone

from compute.provisioner import events
from compute.provisioner.errors import Changed, Conflict
from compute.provisioner.labels import carrying
from compute.provisioner.models import PRESENT, Group, Kind, Node, NodeState, Pool, Target


def drain_node(node: Node, actor: str, seconds: float | None = None) -> None:
    """Drain a node; jobs that run after `seconds` (None: as its pool says) are handed back."""
    if node.pool is None:
        raise Conflict(f"node {node.name} is only a record; nothing runs on it")
    if node.state not in PRESENT:
        raise Conflict(f"node {node.name} has ended: it is {node.state}")
    with transaction.atomic():
        send_away(node, actor, seconds)


def drain_nodes(nodes: Iterable[Node], actor: str, seconds: float | None = None) -> list[str]:
    """Drain those of the nodes that are there and not on their way out; return their names."""
    with transaction.atomic():
        leaving = [n for n in nodes if n.state in PRESENT and n.target == Target.RUNNING]
        for node in leaving:
            send_away(node, actor, seconds)
    return [node.name for node in leaving]


def drain_group(group: Group, actor: str, seconds: float | None = None) -> list[str]:
    """Drain the members of a group and return the names of those that were not yet leaving."""
    with transaction.atomic():
        names = drain_nodes(members(group), actor, seconds)
        text = f"{len(names)} node(s): {', '.join(names)}" if names else "no node to drain"
        events.record(Kind.GROUP, group.name, "drained", text, actor)
    return names


def drain_pool(pool: Pool, actor: str, seconds: float | None = None) -> list[str]:
    """Bring a pool to nothing: no node wanted, none allowed, all that are there drained."""
    with transaction.atomic():
        rows = Pool.objects.filter(pk=pool.pk, version=pool.version)
        if not rows.update(minimum=0, maximum=0, version=F("version") + 1, updated=Now()):
            raise Changed(pool.name)
        names = drain_nodes(pool.nodes.select_related("pool"), actor, seconds)
        text = f"minimum and maximum 0; {len(names)} node(s) drained"
        events.record(Kind.POOL, pool.name, "drained", text, actor)
    return names


def members(group: Group) -> "QuerySet[Node]":
    """Return the nodes of a group that are there or kept as records."""
    condition = carrying(group.selector) if group.selector else Q(name__in=group.nodes)
    return Node.objects.kept().filter(condition).select_related("pool", "boot_profile")


def send_away(
    node: Node, actor: str, seconds: float | None = None, *, deleted: bool = False
) -> None:
    """Tell a node that is there to end; call it inside a transaction."""
    assert node.pool is not None  # noqa: S101
    given = node.pool.drain_seconds if seconds is None else seconds
    deadline = timezone.now() + timedelta(seconds=given)
    ready = When(state=NodeState.READY, then=Value(NodeState.DRAINING))
    gone = {"deleted": timezone.now(), "boot_profile": None} if deleted else {}
    rows = Node.objects.filter(pk=node.pk, version=node.version, state__in=PRESENT)
    changed = rows.update(
        target=Target.STOPPED,
        state=Case(ready, default=F("state")),
        drain_deadline=deadline,
        reason=f"drained by {actor}",
        version=F("version") + 1,
        updated=timezone.now(),
        **gone,
    )
    if not changed:
        raise Changed(node.name)
    events.of_node(node, "draining", f"its jobs have until {deadline:%H:%M:%S} UTC", actor)
