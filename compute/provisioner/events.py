"""Writing down what happened to records, in the transaction in which it happens."""

from compute.provisioner.models import Event, EventType, Kind, Node


def record(
    kind: str,
    name: str,
    reason: str,
    text: str,
    actor: str,
    *,
    warning: bool = False,
    pool: str = "",
) -> None:
    """Add an event about a record; call it inside the transaction of the change."""
    Event.objects.create(
        kind=kind,
        name=name,
        type=EventType.WARNING if warning else EventType.NORMAL,
        reason=reason,
        text=text,
        actor=actor,
        pool=pool or (name if kind == Kind.POOL else ""),
    )


def of_node(node: Node, reason: str, text: str, actor: str, *, warning: bool = False) -> None:
    """Add an event about a node; its owner can see it."""
    Event.objects.create(
        kind=Kind.COMPUTE_NODE,
        name=node.name,
        type=EventType.WARNING if warning else EventType.NORMAL,
        reason=reason,
        text=text,
        actor=actor,
        owner=node.owner,
        pool=node.pool_name,
    )
