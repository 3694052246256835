"""What tables show of each kind of record."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from compute.cli.output import Column
from compute.provisioner.fields import UNITS
from compute.provisioner.kinds import BOOT_PROFILE, COMPUTE_NODE, GROUP, POOL

Record = dict[str, Any]
TIMES = (("d", 86_400), ("h", 3600), ("m", 60))
MOST_LISTED = 3
SMALLEST = 0.0001


def age(seconds: float) -> str:
    """Return a time as its two largest units, such as 3h12m or 45s."""
    whole = max(0, int(seconds))
    for index, (letter, size) in enumerate(TIMES):
        if whole >= size:
            rest = whole % size
            below, unit = TIMES[index + 1] if index + 1 < len(TIMES) else ("s", 1)
            return f"{whole // size}{letter}" + (f"{rest // unit}{below}" if rest // unit else "")
    return f"{whole}s"


def money(amount: float) -> str:
    """Return an amount of money, small ones with more digits."""
    if 0 < abs(amount) < SMALLEST:
        return f"<{SMALLEST}"
    return f"{amount:.2f}" if abs(amount) >= 1 or not amount else f"{amount:.4f}"


def size(count: int) -> str:
    """Return bytes in the largest unit that leaves no fraction."""
    fitting = [unit for unit, factor in UNITS.items() if count and not count % factor]
    unit = max(fitting, key=UNITS.__getitem__, default="")
    return f"{count // UNITS[unit]}{unit}"


def since(moment: str | None) -> str:
    """Return how long ago a time was."""
    if moment is None:
        return "-"
    return age((datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds())


def labels(row: Record) -> str:
    """Return the labels of a record."""
    return ",".join(f"{key}={value}" for key, value in row["labels"].items()) or "-"


def listed(names: list[str]) -> str:
    """Return how many names there are, and the first of them."""
    if not names:
        return "-"
    more = "" if len(names) <= MOST_LISTED else ", ..."
    return f"{len(names)}: {', '.join(names[:MOST_LISTED])}{more}"


def _nodes(row: Record) -> str:
    return ", ".join(f"{count} {state}" for state, count in row["nodes"].items()) or "-"


def _state(row: Record) -> str:
    if row["pool"] is None:
        return "on record"
    leaving = row["target"] == "stopped" and row["state"] in ("requested", "starting", "ready")
    return f"{row['state']}, to stop" if leaving else str(row["state"])


COLUMNS = {
    POOL.name: (
        Column("NAME", lambda row: row["name"]),
        Column("BACKEND", lambda row: row["backend"], extra=True),
        Column("ROLE", lambda row: row["role"], extra=True),
        Column("QUEUE", lambda row: row["queue"], extra=True),
        Column("CAPACITY", lambda row: row["capacity"], extra=True),
        Column("MIN", lambda row: str(row["minimum"]), right=True),
        Column("MAX", lambda row: str(row["maximum"]), right=True),
        Column("NODES", _nodes),
        Column("CIRCUIT", lambda row: row["circuit"]),
        Column("PRICE/H", lambda row: money(row["price_per_hour"]), right=True),
    ),
    COMPUTE_NODE.name: (
        Column("NAME", lambda row: row["name"]),
        Column("POOL", lambda row: row["pool"] or "-"),
        Column("STATE", _state),
        Column("CAPACITY", lambda row: row["capacity"], extra=True),
        Column("JOBS", lambda row: str(len(row["jobs"])), right=True),
        Column(
            "AGE", lambda row: since(row["started"] or row["created"]), right=True, ticking=True
        ),
        Column(
            "HEARTBEAT", lambda row: since(row["heartbeat"]), right=True, ticking=True, extra=True
        ),
        Column("COST", lambda row: money(row["cost"]), right=True, ticking=True),
        Column("OWNER", lambda row: row["owner"] or "-", extra=True),
        Column("REASON", lambda row: row["reason"] or "-"),
    ),
    GROUP.name: (
        Column("NAME", lambda row: row["name"]),
        Column("MEMBERS", lambda row: listed(row["members"])),
        Column("BY", lambda row: "labels" if row["selector"] else "names", extra=True),
        Column("DESCRIPTION", lambda row: row["description"] or "-"),
    ),
    BOOT_PROFILE.name: (
        Column("NAME", lambda row: row["name"]),
        Column("NODES", lambda row: listed(row["used_by"])),
        Column("IMAGE", lambda row: row["image_url"] or "-", extra=True),
        Column("DESCRIPTION", lambda row: row["description"] or "-"),
    ),
}


def texts(row: Record) -> Iterator[tuple[str, str]]:
    """Give every field of a record that says something, as name and text."""
    for name, value in row.items():
        if name in ("events", "version") or value in ("", None, [], {}):
            continue
        yield name, _text(name, value)
    for event in row.get("events", []):
        moment = datetime.fromisoformat(event["time"])
        mark = "! " if event["type"] == "warning" else ""
        text = f": {event['text']}" if event["text"] else ""
        yield f"{moment:%Y-%m-%d %H:%M:%S}", f"{mark}{event['reason']}{text} ({event['actor']})"


def _text(name: str, value: Any) -> str:
    if name in ("labels", "selector", "node_selector"):
        return ", ".join(f"{key}={item}" for key, item in value.items())
    if name == "nodes" and isinstance(value, dict):
        return ", ".join(f"{count} {state}" for state, count in value.items())
    if name in ("cpu", "memory") and not value:
        return "no limit"
    if name in ("memory", "bytes_per_node"):
        return size(value)
    if name in ("cost", "saved"):
        return money(value)
    if name == "node_seconds":
        return age(value)
    if isinstance(value, list):
        return ", ".join(_item(item) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _item(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return " ".join(f"{name}={part}" for name, part in value.items() if part not in ("", None))
