"""What may be opened and how hard to try: plain values, given by whoever runs the science."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any


def unheard(message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """Limits and places of input data.

    `roots` are the folders local files may lie in. `allowed_hosts` are hosts (`name`, `name:port`,
    or `*` for all) that may be read although their address is loopback or private; public
    addresses always may. `mapping` is a JSON file of archive addresses that are local folders.
    `indexes` is the folder in which the chunk indexes of local files are kept.
    `timeout` is in seconds of silence, `backoff` the seconds before a failed read is tried again
    (doubled each time, with jitter), `connections` are the requests to one host at a time,
    `request_bytes` bounds one OPeNDAP request, `download_bytes` one file that cannot be read in
    parts. `notice` is told, in whatever thread reads, why a read
    is tried again and when.
    """

    roots: tuple[Path, ...] = ()
    allowed_hosts: frozenset[str] = frozenset()
    mapping: Path | None = None
    indexes: Path | None = None
    connections: int = 4
    request_bytes: int = 100_000_000
    timeout: float = 60.0
    attempts: int = 4
    backoff: float = 0.5
    download_bytes: int = 10_000_000_000
    notice: Callable[[str], None] = field(default=unheard, compare=False, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process read the same; `notice` stays here."""
        named = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "notice"}
        return partial(SourcePolicy, **named), ()
