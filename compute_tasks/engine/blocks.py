"""How a large input is cut: into units that are merged in order, and blocks that stay in the cache.

The cuts follow from the files and the selection alone, never from threads or timing, so that a
result is the same bit for bit however it is computed. Every chunk lies in one block only.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np

from compute_tasks.engine.hyperslab import Part, parts
from compute_tasks.engine.layout import Identity, VariableIndex

BLOCK_BYTES = 1 << 20
"""Bytes of one block, about: what a thread reads and computes at a time."""
TILE_BYTES = 1 << 25
"""Bytes of one step of chunks, at most, where the chunks are no larger."""
UNIT_BYTES = 1 << 24
MOST_UNITS = 16
"""Units along a first dimension that is reduced: each has accumulators of its own."""
STATE_SHARE = 4
"""How many times larger than its accumulators a unit is, at least."""

Box = tuple[slice, ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Piece:
    """A selection of one variable of one file; several make an input along the first dimension.

    `ranges` are the ascending places selected along each dimension.
    """

    file: Identity
    variable: VariableIndex
    ranges: tuple[range, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of elements selected along each dimension."""
        return tuple(len(places) for places in self.ranges)

    @cached_property
    def parts(self) -> list[list[Part]]:
        """The parts of chunks along each dimension."""
        pairs = zip(self.ranges, self.variable.chunk, strict=True)
        return [parts(places, size) for places, size in pairs]


@dataclass(frozen=True, slots=True)
class Unit:
    """What one thread computes alone: a box of a piece, as blocks of chunks one after the other.

    `start` is where the piece begins along the first dimension of the whole input.
    """

    piece: Piece
    start: int
    tile: tuple[tuple[Part, ...], ...]
    blocks: tuple[tuple[Part, ...], ...]

    @property
    def box(self) -> Box:
        """Where the unit lies in the whole input."""
        first = _extent([part for block in self.blocks for part in block])
        moved = slice(first.start + self.start, first.stop + self.start)
        return (moved, *(_extent(along) for along in self.tile))


def units(pieces: Sequence[Piece], state_bytes: int | None) -> Iterator[Unit]:
    """Yield the units of the input in the order in which they are to be merged.

    `state_bytes` are those of the accumulators that the first dimension is reduced into: units are
    few then, and large enough to be worth their accumulators. None: the first dimension is kept.
    """
    start = 0
    for piece in pieces:
        if math.prod(piece.shape):
            for tile in _tiles(piece):
                for blocks in _runs(piece, tile, state_bytes):
                    yield Unit(piece, start, tile, blocks)
        start += piece.shape[0]


def _runs(
    piece: Piece, tile: Sequence[Sequence[Part]], state_bytes: int | None
) -> Iterator[tuple[tuple[Part, ...], ...]]:
    """Cut the first dimension into blocks of chunks, and those into runs for the units."""
    step = _bytes(piece, tile)
    blocks = list(_batched(piece.parts[0], BLOCK_BYTES // step))
    least = max(UNIT_BYTES, STATE_SHARE * (state_bytes or 0))
    per_unit = max(1, least // (step * len(blocks[0])))
    if state_bytes is not None:
        per_unit = max(per_unit, -(-len(blocks) // MOST_UNITS))
    yield from _batched(blocks, per_unit)


def _bytes(piece: Piece, tile: Sequence[Sequence[Part]]) -> int:
    """Return the bytes of one step of chunks of the tile along the first dimension."""
    first = piece.parts[0][0].out
    lengths = [_length(along) for along in tile]
    return (first.stop - first.start) * math.prod(lengths) * piece.variable.dtype.itemsize


def _tiles(piece: Piece) -> Iterator[tuple[tuple[Part, ...], ...]]:
    """Cut the other dimensions by whole chunks until a step of them is small enough."""
    widths = [len(along) for along in piece.parts[1:]]
    for axis in range(len(widths)):
        excess = _bytes(piece, [a[:n] for a, n in zip(piece.parts[1:], widths, strict=True)])
        widths[axis] = max(1, widths[axis] * TILE_BYTES // max(excess, TILE_BYTES))
    cuts = [list(_batched(a, n)) for a, n in zip(piece.parts[1:], widths, strict=True)]
    for place in np.ndindex(*[len(along) for along in cuts]):
        yield tuple(along[number] for along, number in zip(cuts, place, strict=True))


def _batched(items: Sequence[Item], length: int) -> Iterator[tuple[Item, ...]]:
    for begin in range(0, len(items), max(1, length)):
        yield tuple(items[begin : begin + max(1, length)])


def _extent(along: Sequence[Part]) -> slice:
    return slice(along[0].out.start, along[-1].out.stop)


def _length(along: Sequence[Part]) -> int:
    return int(along[-1].out.stop - along[0].out.start)
