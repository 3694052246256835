"""Nodes as dask arrays, for everything that does not stream: the same values, read alike."""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import dask.array as da
import numpy as np
from dask.delayed import delayed

from compute_tasks.engine.evaluation import in_memory
from compute_tasks.engine.expression import (
    Arranged,
    Mapwise,
    Operand,
    Pointwise,
    Stored,
    Taken,
)
from compute_tasks.engine.field import Field

BLOCK_BYTES = 64 * 2**20
"""Bytes of one dask block, about, of whole chunks; what a task reads and computes at a time."""


def lazy(node: Operand) -> da.Array:
    """Return a dask array of the node; a reduction in it is one task, with a single thread."""
    if isinstance(node, np.ndarray):
        return da.from_array(node, chunks=-1)
    if isinstance(node, Stored):
        meta = np.empty((0,) * len(node.shape), node.dtype)
        return da.from_array(_Boxes(node), chunks=_blocks(node), name=False, meta=meta)
    if isinstance(node, Pointwise):
        return _pointwise(node)
    if isinstance(node, Taken):
        return lazy(node.of)[node.places]
    if isinstance(node, Mapwise):
        return _mapwise(node)
    if isinstance(node, Arranged):
        return _arranged(node)
    computed = delayed(in_memory, traverse=False)(node, threads=1)
    return da.from_delayed(computed, node.shape, node.dtype)


class _Boxes:
    """An array dask can slice."""

    def __init__(self, node: Stored) -> None:
        self.node, self.shape, self.dtype = node, node.shape, node.dtype
        self.ndim = len(node.shape)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.asarray(Field(self.node)[key])


def _blocks(node: Stored) -> tuple[tuple[int, ...], ...]:
    """Return the lengths of blocks along each dimension, whole chunks of about BLOCK_BYTES."""
    edges = [_edges(node, axis) for axis in range(len(node.shape))]
    room = BLOCK_BYTES // node.dtype.itemsize
    typical = [max(int(np.median(np.diff(along))), 1) for along in edges]
    result: list[tuple[int, ...]] = []
    for axis in reversed(range(len(edges))):
        length = max(1, room // max(1, math.prod(typical[:axis])))
        cut = list(_cut(edges[axis], length))
        result.insert(0, tuple(b - a for a, b in pairwise(cut)))
        room //= max(result[0])
    return tuple(result)


def _edges(node: Stored, axis: int) -> list[int]:
    """Return where the chunks of all pieces begin and end along a dimension."""
    found = {0, node.shape[axis]}
    for piece in node.source.pieces:
        found.update(piece.origin[axis] + part.out.stop for part in piece.parts[axis])
        found.add(piece.origin[axis])
    return sorted(found)


def _cut(edges: Sequence[int], length: int) -> Iterator[int]:
    """Yield the edges that leave at most `length` between them where that is possible."""
    last = edges[0]
    yield last
    for edge, following in pairwise([*edges[1:], math.inf]):
        if following - last > length:
            last = int(edge)
            yield last


def _pointwise(node: Pointwise) -> da.Array:
    dimensions = tuple(range(len(node.shape)))
    operands = [part for operand in node.operands for part in (lazy(operand), dimensions)]
    meta = np.empty((0,) * len(node.shape), node.dtype)
    result: da.Array = da.blockwise(
        node.function, dimensions, *operands, dtype=node.dtype, meta=meta
    )
    return result


def _mapwise(node: Mapwise) -> da.Array:
    outer = len(node.shape) - node.inner
    whole = lazy(node.of).rechunk(dict.fromkeys(range(outer, outer + node.inner), -1))

    def of_block(block: np.ndarray) -> np.ndarray:
        result = node.function(block.reshape(-1, *block.shape[outer:]))
        return result.reshape(*block.shape[:outer], *node.shape[outer:])

    chunks = (*whole.chunks[:outer], *((length,) for length in node.shape[outer:]))
    meta = np.empty((0,) * len(node.shape), node.dtype)
    result: da.Array = whole.map_blocks(of_block, chunks=chunks, dtype=node.dtype, meta=meta)
    return result


def _arranged(node: Arranged) -> da.Array:
    array = lazy(node.of)
    kept = [axis for axis in node.order if axis is not None]
    gone = [axis for axis in range(array.ndim) if axis not in kept]
    moved = array.transpose(*gone, *kept)[(0,) * len(gone)]
    return moved[tuple(None if axis is None else slice(None) for axis in node.order)]
