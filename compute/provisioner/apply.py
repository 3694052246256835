"""From documents and the records there are to the changes that make the records so.

Nothing here asks or changes anything; `compute apply` does, over REST.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from compute.provisioner.documents import Document
from compute.provisioner.kinds import COMPUTE_NODE, KINDS, POOL, Kind
from compute.provisioner.schemas import Metadata

SIZE = ("cpu", "memory", "gpu", "image")
"""Fields of a node that stand for what its pool gives when they are null."""

FIXED = ("pool", *SIZE)
"""Fields of a node that do not change once it is created."""

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """A field before and after; None where there was or will be none."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What is to be done about one record.

    `replace` takes the place of a node that has ended. `tag` is the version the change is for,
    `fallback` the other pool that the pool needs.
    """

    action: Literal["create", "update", "replace", "delete", "keep"]
    kind: Kind
    name: str
    document: Document | None = None
    differences: tuple[Difference, ...] = ()
    tag: str = ""
    note: str = ""
    fallback: str | None = None


def change(document: Document, record: Record | None, tag: str = "") -> Change:
    """Return what makes the record as the document describes it."""
    kind, name = document.kind, document.name
    wanted = document.body.model_dump(mode="json")
    make = partial(Change, kind=kind, name=name, document=document, fallback=wanted.get("fallback"))
    if record is None:
        return make("create", differences=tuple(_given(document.body, wanted)))
    if kind is COMPUTE_NODE and record["ended"] and wanted["pool"]:
        note = f"the one there was is {record['state']}"
        return make("replace", differences=tuple(_given(document.body, wanted)), note=note)
    differences = tuple(_differences(kind, record, wanted))
    return make("update" if differences else "keep", differences=differences, tag=tag)


def deletion(kind: Kind, record: Record) -> Change:
    """Return what removes a record that no document describes."""
    return Change("delete", kind, record["name"], fallback=record.get("fallback"))


def impossible(changes: Iterable[Change]) -> Iterator[str]:
    """Give what cannot be done, with its place, before anything is done."""
    for made in changes:
        if made.action != "update" or made.kind is not COMPUTE_NODE or not made.document:
            continue
        for difference in made.differences:
            if difference.field in FIXED:
                yield (
                    f"{made.document.where(difference.field)}: a node keeps the "
                    f"{difference.field} it was created with, {difference.before!r}; delete "
                    f"{made.name} first, or give the node another name"
                )


def in_order(changes: Sequence[Change]) -> list[Change]:
    """Return the changes so that what others refer to is there before and goes after them."""
    kinds = list(KINDS.values())
    gone = [c for c in changes if c.action == "delete"]
    made = [c for c in changes if c.action != "delete"]
    return [
        *sorted(made, key=lambda c: (kinds.index(c.kind), _depth(c, made), c.name)),
        *sorted(gone, key=lambda c: (-kinds.index(c.kind), -_depth(c, gone), c.name)),
    ]


def _depth(change: Change, others: Iterable[Change]) -> int:
    """Return how many other pools of these a pool needs."""
    fallbacks = {c.name: c.fallback for c in others if c.kind is POOL}
    depth, needed = 0, change.fallback
    while needed in fallbacks and depth < len(fallbacks):
        depth, needed = depth + 1, fallbacks[needed]
    return depth


def _given(body: Metadata, wanted: Record) -> Iterator[Difference]:
    """Give the fields of a new record that differ from their defaults."""
    for name, value in wanted.items():
        default = type(body).model_fields[name].get_default(call_default_factory=True)
        if name != "name" and value != default:
            yield Difference(name, None, value)


def _differences(kind: Kind, record: Record, wanted: Record) -> Iterator[Difference]:
    for name, after in wanted.items():
        before = record[name]
        inherited = kind is COMPUTE_NODE and name in SIZE and after is None
        if before == after or inherited:
            continue
        if isinstance(before, Mapping) and isinstance(after, Mapping):
            for key in sorted({*before, *after}):
                if before.get(key) != after.get(key):
                    yield Difference(f"{name}.{key}", before.get(key), after.get(key))
        else:
            yield Difference(name, before, after)
