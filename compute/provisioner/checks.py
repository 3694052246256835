"""What a record says about other records, held against those there are.

Call these inside the transaction of the change.
"""

from collections.abc import Iterable

from compute.provisioner.errors import Conflict, Unusable
from compute.provisioner.models import BootProfile, Node, Pool
from compute.provisioner.schemas import ComputeNodeBody, Metadata, PoolBody

MOST_NAMED = 20
ALONE = {"name": "name", "xname": "xname", "bmc_mac": "BMC MAC", "boot_mac": "boot MAC"}
"""What belongs to one node at a time, as people call it."""


def check_same(name: str, body: Metadata) -> None:
    """Refuse to give a record another name."""
    if body.name != name:
        raise Unusable("name", f"{name!r} cannot be renamed to {body.name!r}")


def check_fallback(body: PoolBody) -> None:
    """Refuse a fallback that is not there, does other work, or leads back to the pool."""
    visited = [body.name]
    following = body.fallback
    while following:
        if following in visited:
            raise Unusable("fallback", f"{' -> '.join([*visited, following])} leads in a circle")
        pool = Pool.objects.filter(name=following).first()
        if pool is None:
            raise Unusable("fallback", _none_such("pool", following, _pools()))
        if (pool.role, pool.queue) != (body.role, body.queue):
            raise Unusable(
                "fallback",
                f"pool {pool.name} has role {pool.role} and queue {pool.queue}, not "
                f"{body.role} and {body.queue}",
            )
        visited.append(following)
        following = pool.fallback


def check_members(names: Iterable[str]) -> None:
    """Refuse names of nodes that are not there."""
    names = list(names)
    known = set(Node.objects.kept().filter(name__in=names).values_list("name", flat=True))
    if missing := [name for name in names if name not in known]:
        shown = ", ".join(map(repr, missing[:MOST_NAMED]))
        raise Unusable("nodes", f"there is no compute node {shown}")


def check_unclaimed(body: ComputeNodeBody, besides: Node | None = None) -> None:
    """Refuse a name, xname or MAC address that another node has."""
    others = Node.objects.kept().exclude(pk=besides.pk if besides else None)
    for field, noun in ALONE.items():
        value = getattr(body, field)
        holder = others.filter(**{field: value}).first() if value else None
        if holder is None:
            continue
        if field == "name":
            going = " and still ending" if holder.deleted else ""
            raise Conflict(f"there is a compute node {value} already{going}")
        raise Conflict(f"{noun} {value} is that of node {holder.name}")


def found_pool(name: str) -> Pool:
    """Return the pool of that name, locked; two who add nodes to it take turns."""
    pool = Pool.objects.select_for_update().filter(name=name).first()
    if pool is None:
        raise Unusable("pool", _none_such("pool", name, _pools()))
    return pool


def found_profile(name: str) -> BootProfile:
    """Return the boot profile of that name."""
    profile = BootProfile.objects.filter(name=name).first()
    if profile is None:
        known = BootProfile.objects.values_list("name", flat=True)
        raise Unusable("boot_profile", _none_such("boot profile", name, known))
    return profile


def _pools() -> Iterable[str]:
    return Pool.objects.values_list("name", flat=True)


def _none_such(noun: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    shown = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
    return f"there is no {noun} {name!r}; " + (f"choose from {shown}" if names else "none is there")
