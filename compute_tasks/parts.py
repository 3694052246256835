"""Finished parts of a run, kept on disk so that a run that was cut off goes on where it was.

A part has the hash of what it is for a name: the identity of the run, what is computed and which
piece of it. It holds arrays and a checksum; a file that is cut short or damaged counts as not
there, and the part is computed again. A part has its name only when it is complete and on disk.

What is finished is saved now and then, so that short runs save nothing, and only as much as leaves
most of the time to the computing. A disk that takes no parts costs the run nothing but its parts.
"""

import contextlib
import json
import logging
import os
import time
import uuid
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from shutil import disk_usage
from typing import Any

import numpy as np

from compute_tasks.durable import sync

SECONDS = 5.0
"""How much computing may be lost, in seconds."""
RARITY = 4
"""How many times longer than the last save took the pause after it is, at least."""
HELD_BYTES = 1 << 26
"""Bytes of finished parts that wait to be saved, at most."""
COPIED_BYTES = 1 << 20
FORM = "parts 1"
"""Changes whenever parts of an earlier form could be misread, or were computed in another way."""

logger = logging.getLogger(__name__)

Arrays = Sequence[np.ndarray]


class Stopped(Exception):
    """The run was asked to stop; what is finished is saved, and the next run goes on from there."""


def unheard(message: str) -> None:
    """Tell nobody."""


def never() -> bool:
    """Return False."""
    return False


@dataclass
class Counts:
    """What became of the parts of a run: saved by it, found by it, found damaged by it."""

    saved: int = 0
    resumed: int = 0
    damaged: int = 0


@dataclass
class Parts:
    """The parts of one run in a folder that outlives it.

    `identity` is what the result follows from; without one, or without a folder, there are no
    parts. `seconds` is the least time between two saves, `least_free` the bytes that parts leave
    free on the disk. `notice` is told what an earlier run has left, `stopping` is asked after each
    part whether the run is to stop there.
    """

    folder: Path | None = None
    identity: str = ""
    seconds: float = SECONDS
    least_free: int = 0
    notice: Callable[[str], None] = unheard
    stopping: Callable[[], bool] = never
    clock: Callable[[], float] = time.monotonic
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        self._active = bool(self.folder and self.identity)
        self._number = 0
        self._held: dict[Path, Arrays] = {}
        self._held_bytes = 0
        self._may = self._next = self.clock() + self.seconds

    @property
    def active(self) -> bool:
        """Whether parts are loaded and saved."""
        return self._active

    def next(self) -> int:
        """Count what has parts, in the order in which every attempt at the run comes to it."""
        self._number += 1
        return self._number

    def load(self, *what: Any) -> list[np.ndarray] | None:
        """Return the arrays of a part, None if it is not there or damaged.

        `what` are plain values (texts, numbers, slices) that tell the part from all others.
        """
        if not self._active:
            return None
        try:
            content = bytearray(self._path(what).read_bytes())
        except OSError:
            return None
        arrays = _unpacked(content)
        if arrays is None:
            logger.warning("a part is damaged and is computed again: %s", what)
            self.counts.damaged += 1
        return arrays

    def there(self, whats: Iterable[tuple[Any, ...]]) -> int:
        """Return how many of these parts are there, and say so if any is."""
        wanted = list(whats)
        found = sum(self._path(what).exists() for what in wanted) if self._active else 0
        self.resumed(found, len(wanted))
        return found

    def resumed(self, found: int, total: int) -> None:
        """Note that so many of all parts need not be computed."""
        if found:
            self.counts.resumed += found
            self.notice(f"resumed: {found} of {total} parts were there")

    def restore(self, arrays: Arrays, total: int, *what: Any) -> int:
        """Give arrays the content that `keep` saved, and return how many steps are in it."""
        state = self.load(*what)
        if state is None:
            return 0
        done, *saved = state
        for array, content in zip(arrays, saved, strict=True):
            array[...] = content
        self.resumed(int(done), total)
        return int(done)

    def keep(self, done: int, arrays: Arrays, *what: Any) -> None:
        """Save what arrays hold after so many steps in place of what they held earlier, if due.

        Raises Stopped after that when the run is to stop.
        """
        stopping = self.stopping()
        if self._active and (stopping or self.clock() >= self._next):
            self._save({self._path(what): [np.array(done), *arrays]})
        if stopping:
            raise Stopped

    def hold(self, arrays: Arrays, *what: Any) -> None:
        """Take a finished part, to be saved with others when it is time to.

        The arrays must not change any more. Raises Stopped after saving when the run is to stop.
        """
        stopping = self.stopping()
        if self._active:
            self._held[self._path(what)] = arrays
            self._held_bytes += _bytes(arrays)
            full = self._held_bytes > HELD_BYTES
            due = self.clock() >= (self._may if full else self._next)
            if due or stopping:
                self._save(self._held)
            if due or full:
                # Parts that come faster than they can be saved are as fast to compute again.
                self._held, self._held_bytes = {}, 0
        if stopping:
            raise Stopped

    def _path(self, what: tuple[Any, ...]) -> Path:
        kind = (FORM, np.__version__, self.identity, what)
        name = sha256(repr(kind).encode()).hexdigest()[:40]
        return (self.folder or Path()) / f"{name}.part"

    def _save(self, parts: dict[Path, Arrays]) -> None:
        begun = self.clock()
        try:
            _write(parts, self.least_free)
            self.counts.saved += len(parts)
        except OSError as error:
            logger.warning("parts are not saved: %s", error.strerror or error)
            self._active = False
        ended = self.clock()
        self._may = ended + RARITY * (ended - begun)
        self._next = max(self._may, ended + self.seconds)


NO_PARTS = Parts()
"""Those of a run that keeps none."""


def _write(parts: dict[Path, Arrays], least_free: int) -> None:
    """Bring parts to disk. Raises OSError, which leaves no unfinished file, as when room is low."""
    for path, arrays in parts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        if disk_usage(path.parent).free - _bytes(arrays) < least_free:
            raise OSError("the disk is nearly full")
        # Two workers that hold each other for dead may write the same part.
        unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            _write_file(unfinished, arrays)
            unfinished.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):
                unfinished.unlink(missing_ok=True)
            raise
    for folder in {path.parent for path in parts}:
        sync(folder)


def _write_file(path: Path, arrays: Arrays) -> None:
    checksum = 0
    with path.open("xb") as file:
        for piece in _packed(arrays):
            for begin in range(0, len(piece), COPIED_BYTES):
                # A copy: threads may be writing to what comes after the finished steps.
                content = bytes(piece[begin : begin + COPIED_BYTES])
                checksum = zlib.crc32(content, checksum)
                file.write(content)
        file.write(checksum.to_bytes(4, "little"))
        file.flush()
        os.fsync(file.fileno())


def _packed(arrays: Arrays) -> list[Any]:
    """Return the content of a part without its checksum: lengths, types and shapes, numbers."""
    whole = [np.ascontiguousarray(array) for array in arrays]
    head = json.dumps(
        [[a.dtype.str, given.shape] for a, given in zip(whole, arrays, strict=True)]
    ).encode()
    return [len(head).to_bytes(8, "little"), head, *(a.reshape(-1).view("u1") for a in whole)]


def _unpacked(content: bytearray) -> list[np.ndarray] | None:
    """Return the arrays of a part, which may be written to; None if it is damaged."""
    body, checksum = memoryview(content)[:-4], content[-4:]
    if len(content) < 12 or zlib.crc32(body) != int.from_bytes(checksum, "little"):
        return None
    place = 8 + int.from_bytes(body[:8], "little")
    arrays = []
    for text, shape in json.loads(bytes(body[8:place])):
        # A copy, since numbers within a file need not lie where the processor likes them.
        arrays.append(np.ndarray(shape, np.dtype(text), body, place).copy())
        place += arrays[-1].nbytes
    return arrays


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays)
