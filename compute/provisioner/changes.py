"""The four ways a record changes, each with its event in the same transaction.

Call them inside a transaction. A change is for the version of the row that was read.
"""

from collections.abc import Mapping
from typing import Any, TypeVar

from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils import timezone

from compute.provisioner import events, kinds
from compute.provisioner.errors import Changed, Conflict
from compute.provisioner.models import BootProfile, Group, Kind, Node, Pool, Record

LONGEST_SHOWN = 80

Row = TypeVar("Row", bound=Record)

KINDS: Mapping[type[Record], str] = {
    Pool: Kind.POOL,
    Group: Kind.GROUP,
    BootProfile: Kind.BOOT_PROFILE,
    Node: Kind.COMPUTE_NODE,
}


def insert(row: Row, actor: str) -> Row:
    """Add a record that is not there yet, and return it."""
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        if isinstance(row, Node):
            raise Conflict(f"a node has just taken the name or an address of {row.name}") from None
        noun = kinds.KINDS[KINDS[type(row)]].noun
        raise Conflict(f"there is a {noun} {row.name} already") from None
    _record(row, "created", "", actor)
    return row


def update(row: Row, values: dict[str, Any], actor: str) -> Row:
    """Give a record those of the values that differ, and return it; the event says which."""
    differing = {name: value for name, value in values.items() if getattr(row, name) != value}
    if not differing:
        return row
    text = "; ".join(_said(name, getattr(row, name), value) for name, value in differing.items())
    change(row, differing)
    _record(row, "updated", text, actor)
    row.refresh_from_db()
    return row


def change(row: Row, values: dict[str, Any]) -> None:
    """Give the version of a record that was read new values; others raise Changed."""
    rows: models.QuerySet[Any] = type(row).objects.filter(pk=row.pk, version=row.version)
    try:
        with transaction.atomic():
            changed = rows.update(**values, version=F("version") + 1, updated=timezone.now())
    except IntegrityError:
        raise Conflict(f"another record has just taken a value of {row.name}") from None
    if not changed:
        raise Changed(row.name)


def delete(row: Row, actor: str) -> None:
    """Remove the version of a record that was read."""
    deleted, _ = type(row).objects.filter(pk=row.pk, version=row.version).delete()
    if not deleted:
        raise Changed(row.name)
    _record(row, "deleted", "", actor)


def _record(row: Row, reason: str, text: str, actor: str) -> None:
    if isinstance(row, Node):
        events.of_node(row, reason, text, actor)
    else:
        events.record(KINDS[type(row)], row.name, reason, text, actor)


def _said(name: str, before: Any, after: Any) -> str:
    """Return a change in words; long values, which may hold secrets, are left out."""
    shown = [repr(value) if value == "" else str(value) for value in (before, after)]
    if max(map(len, shown)) > LONGEST_SHOWN:
        return f"{name} changed"
    return f"{name}: {' -> '.join(shown)}"
