"""Files of a cache folder: written at once, believed only while their digest holds, few in the end.

The folder belongs to this software alone. What is in it can be made again, so that losing it, or
not being able to write to it, costs nothing but time.
"""

import contextlib
import hashlib
import itertools
import logging
import os
import tempfile
from pathlib import Path

logger = logging.getLogger(__name__)

DIGEST_BYTES = 32
FOLDER_BYTES = 10**10
"""Bytes kept in a folder, about; of more, what was not used for longest goes."""
WRITES_PER_PRUNING = 500

_writes = itertools.count(1)


def read(path: Path) -> bytes | None:
    """Return what was written under this name; None if there is nothing or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    # Pruning goes by this time; a folder that is only read is not pruned.
    with contextlib.suppress(OSError):
        os.utime(path)
    digest, payload = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    return payload if _digest(payload) == digest else None


def write(path: Path, payload: bytes) -> None:
    """Keep the payload under this name; a folder that takes nothing is logged and no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        _replace(path, _digest(payload) + payload)
        if next(_writes) % WRITES_PER_PRUNING == 0:
            prune(path.parent, FOLDER_BYTES)
    except OSError as error:
        logger.warning("not kept in the cache: %s", error.strerror)


def prune(folder: Path, limit: int) -> None:
    """Remove files, those not used for longest first, until at most `limit` bytes are left."""
    found = [(status.st_mtime_ns, status.st_size, path) for path, status in _files(folder)]
    excess = sum(size for _, size, _ in found) - limit
    for _, size, path in sorted(found):
        if excess <= 0:
            break
        path.unlink(missing_ok=True)
        excess -= size


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    with os.scandir(folder) as entries:
        return [(Path(entry.path), entry.stat()) for entry in entries if entry.is_file()]


def _digest(payload: bytes) -> bytes:
    return hashlib.blake2b(payload, digest_size=DIGEST_BYTES).digest()


def _replace(path: Path, content: bytes) -> None:
    """Write the file under another name first, so that no reader sees half of it."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
