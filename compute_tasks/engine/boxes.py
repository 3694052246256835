"""How a mapped output is cut: into boxes of whole output chunks that read input chunks once.

`grain` and `inflated` say what reading a node costs, whatever its values.
"""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np

from compute_tasks.engine.evaluator import Box, lengths, spread, whole
from compute_tasks.engine.expression import (
    Arranged,
    Mapwise,
    Operand,
    Pointwise,
    Stored,
    Taken,
)

Shape = tuple[int, ...]

READ_BYTES = 1 << 23
"""Bytes of chunks that a box is worth a task of its own for."""
WRITE_BYTES = 1 << 21
"""Bytes of a box, about, where what is read does not make it larger."""

STEP_BYTES = 1 << 20
"""Bytes of arrays at a time, about, where chunks are no larger: they stay in the cache."""
READER_CHUNKS = 3
"""Chunks that a thread has in memory while it decodes one."""


def grain(node: Operand) -> Shape:
    """Return how many places along each dimension are read together, being in one chunk."""
    if isinstance(node, Stored):
        each = [
            [
                -(-length // max(1, len(along))) if piece.variable.filters else 1
                for length, along in zip(piece.shape, piece.parts, strict=True)
            ]
            for piece in node.source.pieces
        ]
        return tuple(max(along) for along in zip(*each, strict=True))
    if isinstance(node, Pointwise):
        whole_operands = [o for o in node.operands if not isinstance(o, np.ndarray)]
        each = [[1] * len(node.shape), *(list(grain(operand)) for operand in whole_operands)]
        return tuple(max(along) for along in zip(*each, strict=True))
    if isinstance(node, Taken):
        return grain(node.of)
    if isinstance(node, Mapwise):
        return (*grain(node.of)[: -node.inner], *node.shape[-node.inner :])
    if isinstance(node, Arranged):
        before = grain(node.of)
        return tuple(1 if axis is None else before[axis] for axis in node.order)
    return (1,) * len(node.shape)


def inflated(node: Operand, size: Shape) -> int:
    """Return about how many bytes of chunks are decoded for a box of this size."""
    if isinstance(node, Stored):
        variable = node.source.pieces[0].variable
        if not variable.filters:
            return math.prod(size) * variable.dtype.itemsize
        counts = [-(-length // along) for length, along in zip(size, grain(node), strict=True)]
        return math.prod(counts) * variable.chunk_bytes
    if isinstance(node, Pointwise):
        extent = whole(size)
        return sum(inflated(o, lengths(spread(o.shape, extent))) for o in node.operands)
    if isinstance(node, Taken):
        return inflated(node.of, size)
    if isinstance(node, Mapwise):
        return inflated(node.of, (*size[: -node.inner], *node.of.shape[-node.inner :]))
    if isinstance(node, Arranged):
        return inflated(node.of, lengths(node.before(whole(size))))
    return 0


def arrays(node: Operand, size: Shape) -> int:
    """Return how many bytes the arrays take that a box of this size is computed from."""
    if isinstance(node, np.ndarray):
        return 0
    own = math.prod(size) * node.dtype.itemsize
    if isinstance(node, Stored):
        return own
    if isinstance(node, Pointwise):
        extent = whole(size)
        return own + sum(arrays(o, lengths(spread(o.shape, extent))) for o in node.operands)
    if isinstance(node, Mapwise):
        return own + arrays(node.of, (*size[: -node.inner], *node.of.shape[-node.inner :]))
    if isinstance(node, Arranged):
        return own + arrays(node.of, lengths(node.before(whole(size))))
    return own + arrays(node.of, size)


def largest_chunk(node: Operand) -> int:
    """Return the bytes of the largest chunk that is decoded for a node."""
    if isinstance(node, np.ndarray):
        return 0
    if isinstance(node, Stored):
        variables = [piece.variable for piece in node.source.pieces]
        return max(v.chunk_bytes if v.filters else 0 for v in variables)
    operands = node.operands if isinstance(node, Pointwise) else (node.of,)
    return max(map(largest_chunk, operands))


def most_held(node: Operand, chunk: Shape, most: int) -> int:
    """Return about how many bytes one thread holds while it computes the blocks one by one."""
    size = tuple(map(min, _size(node, chunk, most), node.shape))
    extent = next(steps(node, whole(size)))
    own = 2 * math.prod(size) * node.dtype.itemsize
    return own + arrays(node, lengths(extent)) + READER_CHUNKS * largest_chunk(node)


def blocks(node: Operand, chunk: Shape, most: int) -> Iterator[Box]:
    """Cut the node's array into boxes of whole chunks, in their order.

    A box has at most about `most` bytes, but at least one chunk.
    """
    size = _size(node, chunk, most)
    starts = (range(0, length, step) for length, step in zip(node.shape, size, strict=True))
    for place in product(*starts):
        yield tuple(
            slice(begin, min(begin + step, length))
            for begin, step, length in zip(place, size, node.shape, strict=True)
        )


def _size(node: Operand, chunk: Shape, most: int) -> Shape:
    """Return how large the boxes are along each dimension, in multiples of a chunk."""
    size = list(chunk)
    for axis, read in enumerate(grain(node)):
        size[axis] = _up(max(size[axis], read), chunk[axis], node.shape[axis])
    itemsize = node.dtype.itemsize
    while (excess := math.prod(size) * itemsize / most) > 1:
        axis = max(range(len(size)), key=lambda number: size[number] / chunk[number])
        if size[axis] <= chunk[axis]:
            break
        smaller = int(size[axis] / min(excess, 2))
        size[axis] = max(chunk[axis], smaller - smaller % chunk[axis])
    for axis in reversed(range(len(size))):
        used = math.prod(size) * itemsize
        cost = max(inflated(node, tuple(size)), 1)
        room = min(WRITE_BYTES / max(used, 1), most / max(used, 1), READ_BYTES / cost)
        if room >= 2 and size[axis] < node.shape[axis]:
            size[axis] = _up(int(size[axis] * room), chunk[axis], node.shape[axis])
    return tuple(size)


def _up(length: int, step: int, most: int) -> int:
    """Return the next multiple of a step; no longer than to reach the end."""
    return min(-(-length // step), max(1, -(-most // step))) * step


def steps(node: Operand, box: Box) -> Iterator[Box]:
    """Cut a box along its first dimension so that what is computed at a time is STEP_BYTES."""
    if not box:
        yield box
        return
    unit = max(1, grain(node)[0])
    step = unit * max(1, STEP_BYTES // max(1, arrays(node, (unit, *lengths(box)[1:]))))
    for begin in range(box[0].start, box[0].stop, step):
        yield (slice(begin, min(begin + step, box[0].stop)), *box[1:])
