"""Computing boxes of nodes in one thread: read, decoded, and in cells that stay in the cache.

Whatever is below a node is computed only where the box needs it. The result does not depend on
how an array is cut into boxes.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from compute_tasks.engine.decoding import decoded
from compute_tasks.engine.expression import (
    Arranged,
    Mapwise,
    Operand,
    Pointwise,
    Stored,
    Taken,
)
from compute_tasks.engine.scratch import Scratch
from compute_tasks.engine.source_reader import SourceReader

Box = tuple[slice, ...]
"""A run of places along each dimension, both ends given."""

CACHE_BYTES = 1 << 18
"""Bytes, at most, of each array that a function of points gets at a time."""


def lengths(box: Box) -> tuple[int, ...]:
    """Return the number of elements in the box along each dimension."""
    return tuple(extent.stop - extent.start for extent in box)


def whole(shape: Sequence[int]) -> Box:
    """Return the box of a whole array."""
    return tuple(slice(0, length) for length in shape)


class Evaluator:
    """Computes boxes one after the other; used by one thread at a time, and to be closed."""

    def __init__(self) -> None:
        self._reader, self._scratch = SourceReader(), Scratch()

    def __enter__(self) -> "Evaluator":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        self._reader.close()

    def value(self, node: Operand, box: Box) -> np.ndarray:
        """Return the values of a node in the box, NaN where missing; see `fill`."""
        out = np.empty(lengths(box), node.dtype)
        self.fill(node, box, out)
        return out

    def fill(self, node: Operand, box: Box, out: np.ndarray) -> None:
        """Put the values of a node in the box into `out`, which has their shape and dtype.

        Raises DamagedFileError, and TypeError for a reduction, which must be computed before.
        """
        if not out.size:
            return
        self._scratch.clear()
        values = self._value(node, box, out)
        if values is not out:
            out[...] = values

    def _value(self, node: Operand, box: Box, out: np.ndarray | None = None) -> np.ndarray:
        """Return the values, in `out` if that is convenient, or else in an array on loan."""
        if isinstance(node, np.ndarray):
            return node[box]
        if isinstance(node, Stored):
            return self._stored(node, box, out)
        if isinstance(node, Pointwise):
            return self._pointwise(node, box, out)
        if isinstance(node, Taken):
            return self._taken(node, box)
        if isinstance(node, Mapwise):
            return self._mapwise(node, box)
        if isinstance(node, Arranged):
            return node.after(self._value(node.of, node.before(box)))
        raise TypeError(f"{type(node).__name__} is no node that can be computed by boxes")

    def _stored(self, node: Stored, box: Box, out: np.ndarray | None) -> np.ndarray:
        dtype = node.source.pieces[0].variable.dtype.newbyteorder("=")
        if out is None or out.dtype != dtype or not out.flags.c_contiguous:
            out = self._scratch.array(lengths(box), dtype)
        self._reader.read(node.source, box, out)
        return decoded(node.source, out)

    def _pointwise(self, node: Pointwise, box: Box, out: np.ndarray | None) -> np.ndarray:
        shape = lengths(box)
        operands = [self._value(o, spread(o.shape, box)) for o in node.operands]
        out = self._scratch.array(shape, node.dtype) if out is None else out
        for cell in cells(shape, CACHE_BYTES // node.dtype.itemsize):
            out[cell] = node.function(*(o[spread(o.shape, cell)] for o in operands))
        return out

    def _taken(self, node: Taken, box: Box) -> np.ndarray:
        places = node.places[box[0]]
        first, last = int(places.min()), int(places.max())
        if not isinstance(node.of, np.ndarray) and last - first >= 2 * len(places):
            return self._gathered(node.of, places, box)
        values = self._value(node.of, (slice(first, last + 1), *box[1:]))
        if len(values) == len(places) and (np.diff(places) == 1).all():
            return values
        return values.take(places - first, axis=0)

    def _gathered(self, node: Operand, places: np.ndarray, box: Box) -> np.ndarray:
        """Return places that are far from each other, each run of neighbours read at once."""
        wanted, inverse = np.unique(places, return_inverse=True)
        runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1)
        found = [self._value(node, (slice(int(r[0]), int(r[-1]) + 1), *box[1:])) for r in runs]
        return np.concatenate(found).take(inverse, axis=0)

    def _mapwise(self, node: Mapwise, box: Box) -> np.ndarray:
        outer, inner = box[: -node.inner], box[-node.inner :]
        given = self._value(node.of, (*outer, *whole(node.of.shape[-node.inner :])))
        blocks = given.reshape(-1, *given.shape[len(outer) :])
        result = node.function(blocks).reshape(*lengths(outer), *node.shape[-node.inner :])
        return result[(slice(None),) * len(outer) + inner]


def spread(shape: Sequence[int], box: Box) -> Box:
    """Return the part of an array of this shape that is needed for a box of what it is spread to.

    Dimensions of length 1 stand for any length.
    """
    return tuple(
        slice(0, 1) if length == 1 else extent for length, extent in zip(shape, box, strict=True)
    )


def cells(shape: Sequence[int], elements: int) -> Iterator[Box]:
    """Cut an array into runs of memory of about so many elements, in their order."""
    if not math.prod(shape):
        return
    axis = 0
    while axis < len(shape) and math.prod(shape[axis:]) > elements:
        axis += 1
    if axis == 0:
        yield whole(shape)
        return
    cut = axis - 1
    step = max(1, elements // math.prod(shape[axis:]))
    inner = whole(shape[axis:])
    for place in np.ndindex(*shape[:cut]):
        outer = tuple(slice(number, number + 1) for number in place)
        for begin in range(0, shape[cut], step):
            yield (*outer, slice(begin, min(begin + step, shape[cut])), *inner)
