"""Units of any node that can be reduced: arrays in files, and what is computed from them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from compute_tasks.engine.blocks import BLOCK_BYTES, TILE_BYTES, Box, Unit, evenly, units
from compute_tasks.engine.boxes import grain, inflated
from compute_tasks.engine.expression import Node, Stored
from compute_tasks.engine.reduction import Reduction


@dataclass(frozen=True, slots=True)
class NodeUnit:
    """What one thread computes alone: a box of a node, as blocks of its first dimension."""

    inner: Box
    blocks: tuple[slice, ...]

    @property
    def box(self) -> Box:
        """Where the unit lies in the whole array."""
        return (slice(self.blocks[0].start, self.blocks[-1].stop), *self.inner)

    @property
    def places(self) -> Box:
        """The places the unit has of the whole array."""
        return self.box

    def within(self, window: Box) -> "NodeUnit | None":
        """Return what the unit has in a window of all dimensions but the first, if anything."""
        inner = tuple(
            slice(max(own.start, extent.start), min(own.stop, extent.stop))
            for own, extent in zip(self.inner, window, strict=True)
        )
        return replace(self, inner=inner) if all(e.start < e.stop for e in inner) else None


AnyUnit = Unit | NodeUnit


def units_of(node: Node, reduction: Reduction) -> Iterator[AnyUnit]:
    """Yield the units of a node in the order in which they are to be merged."""
    if math.prod(node.shape) == 0:
        return
    labels = None
    if reduction.grouped == 0 and reduction.labels is not None:
        labels = np.asarray(reduction.labels)
    state_bytes = None if reduction.kept(0) else state(reduction, node.shape)
    if isinstance(node, Stored):
        yield from units(node.source.pieces, state_bytes, labels)
    else:
        yield from _node_units(node, state_bytes or 0)


def state(reduction: Reduction, lengths: tuple[int, ...]) -> int:
    """Return the bytes that the accumulators of a unit with these lengths take."""
    last = len(lengths) - 1
    open_columns = last and (last not in reduction.axes or last == reduction.grouped)
    rows = reduction.cells(lengths[:-1]) if last else reduction.cells(lengths)
    return 8 * reduction.arrays * math.prod(rows) * (lengths[-1] if open_columns else 1)


def _node_units(node: Node, state_bytes: int) -> Iterator[NodeUnit]:
    size = [min(along, length) for along, length in zip(grain(node), node.shape, strict=True)]
    for axis in reversed(range(1, len(size))):
        room = TILE_BYTES // max(1, inflated(node, tuple(size)))
        size[axis] = min(size[axis] * max(1, room), node.shape[axis])
    cost = max(1, inflated(node, tuple(size)), math.prod(size) * node.dtype.itemsize)
    size[0] *= max(1, BLOCK_BYTES // cost)
    first, *inner = [
        [slice(begin, min(begin + step, length)) for begin in range(0, length, step)]
        for step, length in zip(size, node.shape, strict=True)
    ]
    block = cost * max(1, BLOCK_BYTES // cost)
    total = block * len(first) * math.prod(map(len, inner))
    for place in np.ndindex(*map(len, inner)):
        tile = tuple(along[number] for along, number in zip(inner, place, strict=True))
        for blocks in evenly(first, block, state_bytes, total):
            yield NodeUnit(tile, blocks)
