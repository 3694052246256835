"""What people do to records: create, replace, delete.

Each change is one conditional update of the version that was read, with its event in the same
transaction. Errors are RecordErrors, whose texts are for people.
"""

from collections.abc import Callable, Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone

from compute.provisioner import changes, events, kinds
from compute.provisioner.checks import (
    check_fallback,
    check_members,
    check_same,
    check_unclaimed,
    found_pool,
    found_profile,
)
from compute.provisioner.drains import send_away
from compute.provisioner.errors import Conflict
from compute.provisioner.models import (
    PRESENT,
    BootProfile,
    Group,
    Kind,
    Node,
    NodeState,
    Pool,
    Target,
)
from compute.provisioner.schemas import (
    BootProfileBody,
    ComputeNodeBody,
    GroupBody,
    Metadata,
    PoolBody,
)

OF_THE_POOL = ("cpu", "memory", "gpu", "image")
"""What a node gets from its pool unless it is given."""


def create(kind: kinds.Kind, body: Metadata, actor: str) -> Any:
    """Create a record of the kind and return it."""
    return _CREATE[kind.name](body, actor)


def replace(kind: kinds.Kind, row: Any, body: Metadata, actor: str) -> Any:
    """Give a record new values and return it as it is then."""
    return _REPLACE[kind.name](row, body, actor)


def delete(kind: kinds.Kind, row: Any, actor: str) -> None:
    """Remove a record."""
    _DELETE[kind.name](row, actor)


def create_pool(body: PoolBody, actor: str) -> Pool:
    """Create a pool; the loop starts its nodes."""
    with transaction.atomic():
        check_fallback(body)
        return changes.insert(Pool(**_values(body)), actor)


def replace_pool(pool: Pool, body: PoolBody, actor: str) -> Pool:
    """Give a pool new values; where its nodes run and what they do stays while it has some."""
    with transaction.atomic():
        check_same(pool.name, body)
        check_fallback(body)
        if pool.nodes.filter(state__in=PRESENT).exists():
            for field in ("backend", "role"):
                if getattr(pool, field) != getattr(body, field):
                    raise Conflict(
                        f"the {field} of pool {pool.name} cannot change while it has nodes; "
                        "drain it first"
                    )
        return changes.update(pool, _values(body), actor)


def delete_pool(pool: Pool, actor: str) -> None:
    """Remove a pool that has no nodes and is nobody's fallback."""
    with transaction.atomic():
        Pool.objects.select_for_update().filter(pk=pool.pk).first()
        if count := pool.nodes.filter(state__in=PRESENT).count():
            raise Conflict(f"pool {pool.name} has {count} node(s); drain it first")
        users = Pool.objects.filter(fallback=pool.name).values_list("name", flat=True)
        if users:
            raise Conflict(f"pool {pool.name} is the fallback of {', '.join(users)}")
        changes.delete(pool, actor)


def create_node(body: ComputeNodeBody, actor: str) -> Node:
    """Create a node by hand: the loop starts it if it has a pool, else it is only a record."""
    with transaction.atomic():
        check_unclaimed(body)
        given = _node_values(body)
        if body.pool is None:
            ends = {"state": NodeState.STOPPED, "target": Target.STOPPED}
            lacking = {field: given.pop(field) for field in OF_THE_POOL}
            given |= {field: value for field, value in lacking.items() if value is not None}
            return changes.insert(Node(by_hand=True, **ends, **given), actor)
        pool = found_pool(body.pool)
        if pool.nodes.filter(state__in=PRESENT).count() >= pool.maximum:
            raise Conflict(f"pool {pool.name} has its maximum of {pool.maximum} node(s)")
        given = {name: value for name, value in given.items() if value is not None}
        node = Node.of_pool(pool, **given, by_hand=True)
        node.labels = body.labels
        return changes.insert(node, actor)


def replace_node(node: Node, body: ComputeNodeBody, actor: str) -> Node:
    """Give a node new values; its pool and its size stay as they were when it was created."""
    with transaction.atomic():
        check_same(node.name, body)
        check_unclaimed(body, besides=node)
        fixed = {"pool": node.pool_name or None} | {f: getattr(node, f) for f in OF_THE_POOL}
        for field, value in fixed.items():
            wanted = getattr(body, field)
            if wanted != value and (wanted is not None or field == "pool"):
                raise Conflict(
                    f"the {field} of node {node.name} is {value!r} and cannot be changed to "
                    f"{wanted!r}; delete the node and create it anew"
                )
        values = {name: v for name, v in _node_values(body).items() if name not in fixed}
        return changes.update(node, values, actor)


def delete_node(node: Node, actor: str) -> None:
    """Drain and stop a node if it is there, and take it off the list; its usage is kept."""
    with transaction.atomic():
        if node.state in PRESENT:
            send_away(node, actor, deleted=True)
        else:
            changes.change(node, {"deleted": timezone.now(), "boot_profile": None})
        events.of_node(node, "deleted", "", actor)


def create_group(body: GroupBody, actor: str) -> Group:
    """Create a group; nodes it names must exist."""
    with transaction.atomic():
        check_members(body.nodes)
        return changes.insert(Group(**_values(body)), actor)


def replace_group(group: Group, body: GroupBody, actor: str) -> Group:
    """Give a group new values; nodes it did not name before must exist."""
    with transaction.atomic():
        check_same(group.name, body)
        check_members([name for name in body.nodes if name not in group.nodes])
        return changes.update(group, _values(body), actor)


def delete_group(group: Group, actor: str) -> None:
    """Remove a group; its nodes stay."""
    with transaction.atomic():
        changes.delete(group, actor)


def create_boot_profile(body: BootProfileBody, actor: str) -> BootProfile:
    """Create a boot profile."""
    with transaction.atomic():
        return changes.insert(BootProfile(**_values(body)), actor)


def replace_boot_profile(profile: BootProfile, body: BootProfileBody, actor: str) -> BootProfile:
    """Give a boot profile new values."""
    with transaction.atomic():
        check_same(profile.name, body)
        return changes.update(profile, _values(body), actor)


def delete_boot_profile(profile: BootProfile, actor: str) -> None:
    """Remove a boot profile that no node uses."""
    with transaction.atomic():
        names = profile.nodes.values_list("name", flat=True)[:5]
        if names:
            raise Conflict(f"boot profile {profile.name} is used by {', '.join(names)}")
        changes.delete(profile, actor)


def _values(body: Metadata) -> dict[str, Any]:
    values = body.model_dump()
    if isinstance(body, PoolBody):
        values["tolerations"] = [t.model_dump(exclude_defaults=True) for t in body.tolerations]
    return values


def _node_values(body: ComputeNodeBody) -> dict[str, Any]:
    values = _values(body)
    del values["pool"]
    profile = values.pop("boot_profile")
    return values | {"boot_profile": found_profile(profile) if profile else None}


_CREATE: Mapping[str, Callable[[Any, str], Any]] = {
    Kind.POOL: create_pool,
    Kind.COMPUTE_NODE: create_node,
    Kind.GROUP: create_group,
    Kind.BOOT_PROFILE: create_boot_profile,
}
_REPLACE: Mapping[str, Callable[[Any, Any, str], Any]] = {
    Kind.POOL: replace_pool,
    Kind.COMPUTE_NODE: replace_node,
    Kind.GROUP: replace_group,
    Kind.BOOT_PROFILE: replace_boot_profile,
}
_DELETE: Mapping[str, Callable[[Any, str], None]] = {
    Kind.POOL: delete_pool,
    Kind.COMPUTE_NODE: delete_node,
    Kind.GROUP: delete_group,
    Kind.BOOT_PROFILE: delete_boot_profile,
}
