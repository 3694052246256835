"""How a reduction is kept within its memory: in one pass over the input, or a window at a time."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from compute_tasks.engine import loading
from compute_tasks.engine.blocks import Box, Unit
from compute_tasks.engine.boxes import inflated
from compute_tasks.engine.expression import Node
from compute_tasks.engine.mapping import AHEAD
from compute_tasks.engine.node_units import AnyUnit, state
from compute_tasks.engine.reduction import Reduction
from compute_tasks.errors import TooLarge

MOST_PASSES = 1024


class MemoryNeeded(TooLarge):
    """A computation does not fit into the memory it may have; both in bytes."""

    needed = allowed = 0

    @classmethod
    def of(cls, needed: int, allowed: int) -> "MemoryNeeded":
        """Return the error with its text."""
        error = cls(
            f"this needs about {math.ceil(needed / 1e6)} MB of memory at a time, more than the"
            f" {math.ceil(allowed / 1e6)} MB a job may have; select a smaller region or fewer"
            " levels, or reduce over more dimensions"
        )
        error.needed, error.allowed = needed, allowed
        return error


@dataclass(frozen=True, slots=True)
class Pass:
    """The units of one window of the dimensions that are kept, all but the first."""

    window: Box
    units: tuple[AnyUnit, ...]
    threads: int


def passes(
    node: Node,
    reduction: Reduction,
    units: Sequence[AnyUnit],
    *,
    threads: int,
    memory_bytes: int,
) -> list[Pass]:
    """Return the passes over the input that fit into the memory, and are done soonest.

    What is computed for each cell is the same whatever the passes. Raises MemoryNeeded.
    """
    least = math.inf
    for count, width in _ways(threads):
        windows = _windows(reduction, node.shape, units, count)
        if len(windows) < count:
            continue
        largest = _passed(units, windows[0], width)
        need = _needed(node, reduction, largest, windows)
        if need <= memory_bytes:
            return [_passed(units, window, width) for window in windows]
        least = min(least, need)
    raise MemoryNeeded.of(int(least), memory_bytes)


def needed(node: Node, reduction: Reduction, units: Sequence[AnyUnit], threads: int) -> int:
    """Return about how many bytes one pass takes, beside the interpreter."""
    windows = _windows(reduction, node.shape, units, 1)
    return _needed(node, reduction, _passed(units, windows[0], threads), windows)


def _ways(threads: int) -> list[tuple[int, int]]:
    """Return numbers of passes and of threads, the fastest first."""
    widths = [threads >> shift for shift in range(threads.bit_length())]
    counts = [1 << shift for shift in range(MOST_PASSES.bit_length())]
    ways = [(count, width) for count in counts for width in widths]
    return sorted(ways, key=lambda way: (way[0] / way[1], way[0]))


def _windows(
    reduction: Reduction, shape: tuple[int, ...], units: Sequence[AnyUnit], count: int
) -> list[Box]:
    """Cut the longest of the dimensions that are kept, but the first, by chunks if they are small.

    There may be fewer windows than asked for; the first is as large as any.
    """
    whole = tuple(slice(0, length) for length in shape[1:])
    axes = [axis for axis in range(1, len(shape)) if reduction.kept(axis)]
    if count == 1 or not axes:
        return [whole]
    axis = max(axes, key=lambda number: shape[number])
    step = -(-shape[axis] // count)
    size = _chunk(units, axis)
    step = -(-step // size) * size if size <= step else step
    return [
        (*whole[: axis - 1], slice(begin, min(begin + step, shape[axis])), *whole[axis:])
        for begin in range(0, shape[axis], step)
    ]


def _chunk(units: Sequence[AnyUnit], axis: int) -> int:
    """Return how many places of a dimension a chunk has."""
    for unit in units[:1]:
        if isinstance(unit, Unit):
            return max(part.out.stop - part.out.start for part in unit.tile[axis - 1])
    return 1


def _passed(units: Sequence[AnyUnit], window: Box, threads: int) -> Pass:
    inside = (unit.within(window) for unit in units)
    return Pass(window, tuple(unit for unit in inside if unit), threads)


def _needed(node: Node, reduction: Reduction, one: Pass, windows: Sequence[Box]) -> int:
    lengths = (node.shape[0], *_lengths(one.window))
    result = 8 * math.prod(reduction.cells(node.shape)) * (len(windows) > 1)
    merged = 8 * (reduction.arrays + 1) * math.prod(reduction.cells(lengths))
    shapes = {_lengths(unit.box): unit for unit in one.units}
    states = max((_state(reduction, unit) for unit in one.units), default=0)
    buffers = max((_buffers(node, unit) for unit in shapes.values()), default=0)
    waiting = min(AHEAD * one.threads + 1, len(one.units))
    return result + merged + (waiting + one.threads) * states + one.threads * buffers


def _state(reduction: Reduction, unit: AnyUnit) -> int:
    """Return the bytes of the accumulators of a unit."""
    span = reduction.span(unit.places)
    return state(replace(reduction, groups=span.stop - span.start), _lengths(unit.box))


def _buffers(node: Node, unit: AnyUnit) -> int:
    """Return the bytes of the arrays that blocks of the unit are read and computed in."""
    if not isinstance(unit, Unit):
        longest = max(block.stop - block.start for block in unit.blocks)
        size = (longest, *_lengths(unit.inner))
        return 3 * inflated(node, size) + 2 * math.prod(size) * node.dtype.itemsize
    return loading.memory(unit)


def _lengths(box: Box) -> tuple[int, ...]:
    return tuple(extent.stop - extent.start for extent in box)
