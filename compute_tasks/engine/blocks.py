"""How a large input is cut: into units that are merged in order, and blocks that stay in the cache.

The cuts follow from the files and the selection alone, never from threads or timing, so that a
result is the same bit for bit however it is computed. Every chunk lies in one block only.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from compute_tasks.engine.hyperslab import Index, Part, parts
from compute_tasks.engine.layout import File, VariableIndex
from compute_tasks.engine.recurring import recur, together, wanted

BLOCK_BYTES = 1 << 21
"""Bytes of one block, about: what a thread reads and computes at a time."""
TILE_BYTES = 1 << 25
"""Bytes of one step of chunks, at most, where the chunks are no larger."""
WIDE = 64
"""Places along the last dimension with which a chunk is a tile of its own there."""
UNIT_BYTES = 1 << 25
"""Bytes of a unit, at least, where its piece is as large."""
MANY = 40
"""Units of the whole input, about, unless they were smaller or larger than units are."""
STATE_SHARE = 16
"""How many times larger than its accumulators a unit is, at least, where its piece is."""
MOST_BYTES = 1 << 28
"""Bytes of a unit of several blocks, at most: it is told of only when it is done."""

Box = tuple[slice, ...]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Piece:
    """A selection of one variable of one file: a box anywhere in a whole array.

    `ranges` are the ascending places selected along each dimension, `origin` is where the first of
    them lies in the whole.
    """

    file: File
    variable: VariableIndex
    ranges: tuple[range | np.ndarray, ...]
    origin: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of elements selected along each dimension."""
        return tuple(len(places) for places in self.ranges)

    @property
    def end(self) -> tuple[int, ...]:
        """Where it ends in the whole array, along each dimension."""
        return tuple(begin + length for begin, length in zip(self.origin, self.shape, strict=True))

    @cached_property
    def parts(self) -> list[Sequence[Part]]:
        """The parts of chunks along each dimension."""
        pairs = zip(self.ranges, self.variable.chunk, strict=True)
        return [parts(places, size) for places, size in pairs]


@dataclass(frozen=True)
class Unit:
    """What one thread computes alone: a box of a piece, as blocks of chunks one after the other."""

    piece: Piece
    tile: tuple[tuple[Part, ...], ...]
    blocks: tuple[tuple[Part, ...], ...]

    @cached_property
    def box(self) -> Box:
        """Where the unit lies in the whole input."""
        first = slice(self.blocks[0][0].out.start, self.blocks[-1][-1].out.stop)
        extents = (first, *(_extent(along) for along in self.tile))
        return tuple(
            slice(extent.start + begin, extent.stop + begin)
            for extent, begin in zip(extents, self.piece.origin, strict=True)
        )

    @property
    def chunks(self) -> list[list[int]]:
        """The numbers of the chunks along each dimension."""
        first = [part.chunk for block in self.blocks for part in block]
        return [first, *([part.chunk for part in along] for along in self.tile)]

    @cached_property
    def places(self) -> tuple[np.ndarray, *Box]:
        """The places the unit has of the whole input: those of the first dimension, and the box."""
        first = positions([part.out for block in self.blocks for part in block])
        return (first + self.piece.origin[0], *self.box[1:])

    def steps(self) -> Iterator[tuple[tuple[Part, ...], np.ndarray]]:
        """Yield the blocks with the places of their steps in the unit's box."""
        parts = [part.out for block in self.blocks for part in block]
        places, begin = positions(parts) - parts[0].start, 0
        for block in self.blocks:
            end = begin + sum(part.out.stop - part.out.start for part in block)
            yield block, places[begin:end]
            begin = end

    def within(self, window: Box) -> "Unit | None":
        """Return what the unit has in a window of all dimensions but the first, if anything."""
        tile = [
            clipped(along, extent.start - begin, extent.stop - begin)
            for along, extent, begin in zip(self.tile, window, self.piece.origin[1:], strict=True)
        ]
        return replace(self, tile=tuple(tile)) if all(tile) else None


def units(
    pieces: Sequence[Piece], state_bytes: int | None, labels: np.ndarray | None = None
) -> Iterator[Unit]:
    """Yield the units of the input in the order in which they are to be merged.

    `state_bytes` are those of the accumulators that the first dimension is reduced into: units are
    few then, and large enough to be worth their accumulators. None: the first dimension is kept.
    `labels` are the groups of its places; chunks that have only places of none are left out.
    """
    total = sum(math.prod(piece.shape) * piece.variable.dtype.itemsize for piece in pieces)
    cells = state_bytes or 0
    # Otherwise a unit would not be worth the cells of all groups.
    apart = STATE_SHARE * cells > MOST_BYTES
    if labels is not None:
        # What recurs is kept together, and of what does not a unit has little anyway.
        cells //= max(1, int(labels.max(initial=-1)) + 1)
    for piece in pieces:
        if not math.prod(piece.shape):
            continue
        first, recurs = piece.parts[0], False
        if labels is not None:
            own = labels[piece.origin[0] : piece.end[0]]
            first, recurs = wanted(first, own), apart and recur(own)
        for tile in _tiles(piece):
            step = _bytes(piece, tile)
            runs: Iterable[Sequence[Part]] = [first] if first else []
            if recurs:
                runs = together(first, own, step)
            for run in runs:
                for blocks in _runs(run, step, cells, total):
                    yield Unit(piece, tile, blocks)


def _runs(
    first: Sequence[Part], step: int, state_bytes: int, total: int
) -> Iterator[tuple[tuple[Part, ...], ...]]:
    """Cut the first dimension into blocks of chunks, and those into runs for the units."""
    blocks = list(batched(first, BLOCK_BYTES // step))
    yield from evenly(blocks, step * len(blocks[0]), state_bytes, total)


def evenly(
    blocks: Sequence[Item], block_bytes: int, state_bytes: int, total: int
) -> Iterator[tuple[Item, ...]]:
    """Cut blocks into runs of about the same length that are worth their accumulators.

    `total` are the bytes of the whole input.
    """
    least = max(UNIT_BYTES, STATE_SHARE * state_bytes, total // MANY)
    size = min(least, max(MOST_BYTES, block_bytes))
    count = max(1, round(len(blocks) * block_bytes / size))
    yield from batched(blocks, -(-len(blocks) // count))


def _bytes(piece: Piece, tile: Sequence[Sequence[Part]]) -> int:
    """Return the bytes of one step of chunks of the tile along the first dimension."""
    first = piece.parts[0][0].out
    lengths = [_length(along) for along in tile]
    return (first.stop - first.start) * math.prod(lengths) * piece.variable.dtype.itemsize


def _tiles(piece: Piece) -> Iterator[tuple[tuple[Part, ...], ...]]:
    """Cut the other dimensions by whole chunks until a step of them is small enough."""
    widths = [len(along) for along in piece.parts[1:]]
    if widths and piece.variable.chunk[-1] >= WIDE:
        widths[-1] = 1
    for axis in range(len(widths)):
        excess = _bytes(piece, [a[:n] for a, n in zip(piece.parts[1:], widths, strict=True)])
        widths[axis] = max(1, widths[axis] * TILE_BYTES // max(excess, TILE_BYTES))
    cuts = [list(batched(a, n)) for a, n in zip(piece.parts[1:], widths, strict=True)]
    for place in np.ndindex(*[len(along) for along in cuts]):
        yield tuple(along[number] for along, number in zip(cuts, place, strict=True))


def batched(items: Sequence[Item], length: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in runs of so many."""
    for begin in range(0, len(items), max(1, length)):
        yield tuple(items[begin : begin + max(1, length)])


def positions(runs: Sequence[Index]) -> np.ndarray:
    """Return the places of all runs, one after the other."""
    if any(isinstance(run, np.ndarray) for run in runs):
        return np.concatenate([r if isinstance(r, np.ndarray) else positions([r]) for r in runs])
    edges = np.array([(run.start, run.stop, run.step or 1) for run in runs])  # type: ignore[union-attr]
    starts, stops, steps = edges.T
    counts = -((starts - stops) // steps)
    firsts = np.cumsum(counts) - counts
    return np.repeat(starts - firsts * steps, counts) + np.arange(counts.sum()) * np.repeat(
        steps, counts
    )


def clipped(along: Sequence[Part], start: int, stop: int) -> tuple[Part, ...]:
    """Return what parts have of the places from start to stop."""
    result = []
    for part in along:
        begin, end = max(part.out.start, start), min(part.out.stop, stop)
        if begin < end:
            first, last = begin - part.out.start, end - part.out.start
            result.append(Part(part.chunk, _some(part.local, first, last), slice(begin, end)))
    return tuple(result)


def _some(local: Index, first: int, last: int) -> Index:
    if isinstance(local, np.ndarray):
        return local[first:last]
    start = local.start + first * local.step
    return slice(start, start + (last - first - 1) * local.step + 1, local.step)


def _extent(along: Sequence[Part]) -> slice:
    return slice(along[0].out.start, along[-1].out.stop)


def _length(along: Sequence[Part]) -> int:
    return int(along[-1].out.stop - along[0].out.start)
