"""Opened variables of local files, remembered in memory and on disk while the files are the same.

Opening costs far more than reading little: the header is searched, times are decoded. What comes
out holds no open file when its values are a field, and is then the same for every run.
"""

import pickle
from collections import OrderedDict
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from threading import Lock

import cftime
import numpy as np
import xarray as xr

from compute_tasks.engine import sealed
from compute_tasks.engine.field import Field
from compute_tasks.engine.layout import Identity
from compute_tasks.sources.packing import packed

VERSION = 2
"""Changes whenever what is remembered could be misread, or was decoded in another way."""
HELD_BYTES = 1 << 28
"""Bytes of coordinates kept in memory."""
LARGEST_BYTES = 1 << 24
"""Bytes of coordinates of one variable that are worth keeping."""
OBJECT_BYTES = 64
"""Bytes of one date in memory."""

Key = tuple[Identity, str]

_held: OrderedDict[Key, tuple[xr.Dataset, int]] = OrderedDict()
_lock = Lock()


def state(path: Path | None) -> Identity | None:
    """Return which file it is and in which state; None for what is no file at hand."""
    try:
        return Identity.of(path) if path and path.is_file() else None
    except OSError:
        return None


def recall(identity: Identity, name: str, folder: Path | None) -> xr.Dataset | None:
    """Return the variable of a file in this state as it was opened before.

    `folder` is where variables are kept from one process to the next.
    """
    key = (identity, name)
    with _lock:
        if found := _held.get(key):
            _held.move_to_end(key)
            return found[0].copy()
    if folder is None or (payload := sealed.read(_entry(folder, key))) is None:
        return None
    # The folder is ours alone, and the digest of what is in it holds.
    kept, dataset = pickle.loads(payload)  # noqa: S301
    if kept != key:
        return None
    _hold(key, dataset)
    return dataset.copy()


def may_know(identity: Identity, name: str, folder: Path) -> bool:
    """Tell whether there is something to recall, if it is of the file in this state."""
    key = (identity, name)
    return key in _held or _entry(folder, key).exists()


def remember(dataset: xr.Dataset, identity: Identity, name: str, folder: Path | None) -> None:
    """Keep a variable that was opened since the file was in this state.

    What is large, or has more to be read than its values, is not kept.
    """
    if not _is_at_hand(dataset, name) or _bytes(dataset) > LARGEST_BYTES:
        return
    if state(identity.path) != identity:
        return
    key = (identity, name)
    kept = dataset.copy()
    kept.set_close(None)
    _hold(key, kept)
    if folder is not None:
        sealed.write(_entry(folder, key), packed((key, kept)))


def _is_at_hand(dataset: xr.Dataset, name: str) -> bool:
    """Tell whether nothing but the field is still to be read."""
    return isinstance(dataset[name].variable.data, Field) and all(
        isinstance(coordinate.variable.data, np.ndarray) for coordinate in dataset.coords.values()
    )


def _hold(key: Key, dataset: xr.Dataset) -> None:
    with _lock:
        _held[key] = (dataset, _bytes(dataset))
        _held.move_to_end(key)
        excess = sum(size for _, size in _held.values()) - HELD_BYTES
        while excess > 0:
            _, (_, size) = _held.popitem(last=False)
            excess -= size


def _bytes(dataset: xr.Dataset) -> int:
    return sum(
        c.size * (OBJECT_BYTES if c.dtype == object else c.dtype.itemsize)
        for c in dataset.coords.values()
    )


def _entry(folder: Path, key: Key) -> Path:
    identity, name = key
    # Other versions have entries of their own: they may not even know what is in ours.
    text = f"{_versions()} {name} {identity.path}"
    return folder / f"{sha256(text.encode()).hexdigest()[:32]}.variable"


@cache
def _versions() -> tuple[str, ...]:
    # To look up a version takes a while; most libraries know their own.
    known = (library.__version__ for library in (xr, np, cftime))
    return str(VERSION), version("esgf-compute"), version("pandas"), *known
