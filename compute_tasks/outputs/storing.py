"""Dask arrays on their way to a file: blocks that are parts of an earlier run are not computed."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from dask.array.core import Array, slices_from_chunks, store

from compute_tasks.outputs.netcdf import Target
from compute_tasks.parts import Parts

Region = tuple[slice, ...]


class Kept:
    """A variable of a file, the blocks of which become parts when they are stored."""

    def __init__(self, target: Target, parts: Parts, number: int) -> None:
        self._target, self._parts, self._number = target, parts, number

    def __setitem__(self, region: Region, values: Any) -> None:
        """Store a block; raises as `Target` and `Parts.hold`."""
        self._target[region] = values
        self._parts.hold([np.asarray(values)], *_name(self._number, region))


def stored(lazy: Sequence[tuple[Array, Target]], lock: Any, parts: Parts) -> Any:
    """Return a dask graph that writes each array to its target; blocks that are parts are written.

    The lock is held while something is written.
    """
    pairs = [(source, Kept(target, parts, n)) for n, (source, target) in enumerate(lazy)]
    names = [_name(n, region) for n, (source, _) in enumerate(lazy) for region in _regions(source)]
    if not parts.there(names):
        sources, targets = zip(*pairs, strict=True)
        return store(sources, targets, lock=lock, compute=False)
    left = [
        piece
        for number, (source, target) in enumerate(lazy)
        for piece in _left(number, source, target, lock, parts)
    ]
    if not left:
        return None
    sources, targets, regions = zip(*left, strict=True)
    return store(sources, targets, lock=lock, regions=list(regions), compute=False)


def _left(
    number: int, source: Array, target: Target, lock: Any, parts: Parts
) -> Iterator[tuple[Array, Kept, Region]]:
    """Write the blocks of an array that are parts, and yield the others with their places."""
    kept = Kept(target, parts, number)
    places = np.ndindex(*source.numblocks)
    for place, region in zip(places, _regions(source), strict=True):
        found = parts.load(*_name(number, region))
        if found is None:
            yield source.blocks[place], kept, region
        else:
            with lock:
                target[region] = found[0]


def _regions(source: Array) -> list[Region]:
    return list(slices_from_chunks(source.chunks))


def _name(number: int, region: Region) -> tuple[Any, ...]:
    return "stored", number, [(int(extent.start), int(extent.stop)) for extent in region]
