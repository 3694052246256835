"""Reductions computed while reading, block by block, in bounded memory and in threads.

Pure functions from files to an array: no dask, no dataset. Nothing larger than a few chunks is held
apart from the accumulators of the cells of the result.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from compute_tasks.engine.accumulators import Accumulator, accumulator
from compute_tasks.engine.blocks import Piece, Unit, units
from compute_tasks.engine.hyperslab import Part
from compute_tasks.engine.reader import ChunkReader, opened

AHEAD = 2
"""Units in flight or waiting to be merged, for each thread."""
STATISTICS = ("sum", "mean", "count", "min", "max", "var", "std")
Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Source:
    """An array in files: pieces one after the other along the first dimension, and their decoding.

    `missing` are up to two stored values that stand for none, besides NaN. The values mean
    `stored * scale + offset`, computed in `dtype` (float32 or float64).
    """

    pieces: tuple[Piece, ...]
    dtype: np.dtype
    missing: tuple[float, ...] = ()
    scale: float | None = None
    offset: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        first = sum(piece.shape[0] for piece in self.pieces)
        return (first, *self.pieces[0].shape[1:])


@dataclass(frozen=True, slots=True)
class Reduction:
    """One statistic over some dimensions, by number; missing values are left out.

    `weights` (sum and mean only) has one array for each weighted dimension, which multiply. With
    `labels`, the dimension `grouped` is not reduced to one but to `groups` cells: each place has
    the number of its group, or -1 for none. var and std are those of the population.
    """

    statistic: str
    axes: frozenset[int]
    weights: Mapping[int, np.ndarray] = field(default_factory=dict)
    grouped: int | None = None
    labels: np.ndarray | None = None
    groups: int = 0

    def check(self, dimensions: int) -> None:
        """Raise ValueError for what cannot be streamed over an array of that many dimensions."""
        if self.statistic not in STATISTICS:
            raise ValueError(f"{self.statistic!r} is not one of {', '.join(STATISTICS)}")
        if self.weights and self.statistic not in ("sum", "mean"):
            raise ValueError(f"{self.statistic} has no weights")
        if dimensions == 0 or (dimensions > 1 and self.grouped == dimensions - 1):
            raise ValueError("no dimension, or groups along the last one")

    def cells(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the result for data of these lengths."""
        return tuple(
            self.groups if axis == self.grouped else length
            for axis, length in enumerate(lengths)
            if axis == self.grouped or axis not in self.axes
        )

    def region(self, box: tuple[slice, ...]) -> tuple[slice, ...]:
        """Return where in the result the data in a box of the input go."""
        return tuple(
            slice(None) if axis == self.grouped else extent
            for axis, extent in enumerate(box)
            if axis == self.grouped or axis not in self.axes
        )


def reduce(
    source: Source,
    reduction: Reduction,
    *,
    threads: int,
    report: Callable[[float], None] = lambda share: None,
) -> np.ndarray:
    """Return the reduced array, the same bit for bit for any number of threads.

    Sums, means, variances are float64, counts int64, extremes of the source's dtype. `report` is
    told the share that is done after each unit; an exception it raises ends the work. Raises
    DamagedFileError, and ValueError where the reduction cannot be streamed.
    """
    reduction.check(len(source.shape))
    result = accumulator(reduction.statistic, reduction.cells(source.shape), source.dtype)
    work = list(units(source.pieces, keeps_first=0 not in reduction.axes | {reduction.grouped}))
    outcomes = _in_order(lambda unit: _reduced(source, reduction, unit), work, threads)
    for number, (unit, part) in enumerate(zip(work, outcomes, strict=True), start=1):
        result.merge(reduction.region(unit.box), part)
        report(number / len(work))
    return np.asarray(result.finish(reduction.statistic))


def memory(source: Source, reduction: Reduction, *, threads: int) -> int:
    """Return about how many bytes `reduce` needs, beside the interpreter."""
    arrays = {"min": 1, "max": 1, "var": 4, "std": 4}.get(reduction.statistic, 2)
    cells, buffers = 0, 0
    for unit in units(source.pieces, keeps_first=0 not in reduction.axes | {reduction.grouped}):
        lengths = tuple(extent.stop - extent.start for extent in unit.box)
        columns = 1 if len(lengths) - 1 not in reduction.axes else lengths[-1]
        cells = max(cells, math.prod(reduction.cells(lengths)) * columns)
        chunk = unit.piece.variable.chunk_bytes if unit.piece.variable.filters else 0
        block = max(_length(block) for block in unit.blocks) * math.prod(lengths[1:])
        buffers = max(buffers, 4 * chunk + 2 * block * source.dtype.itemsize)
    waiting = (AHEAD + 1) * threads * cells + math.prod(reduction.cells(source.shape))
    return 8 * arrays * waiting + threads * buffers


@dataclass(frozen=True, slots=True)
class _Rows:
    """A block as accumulators take it (`accumulators.Rows`)."""

    values: np.ndarray
    targets: np.ndarray
    row_weights: np.ndarray
    weights: np.ndarray
    missing: np.ndarray


def _reduced(source: Source, reduction: Reduction, unit: Unit) -> Accumulator:
    """Return the cells of one unit, its blocks added one after the other."""
    lengths = tuple(extent.stop - extent.start for extent in unit.box)
    last = len(lengths) - 1
    # The last dimension is reduced at the end: until then its places are cells of their own.
    open_axes = reduction.cells(lengths[:-1]) if last else reduction.cells(lengths)
    columns = lengths[-1] if last else 1
    part = accumulator(reduction.statistic, (math.prod(open_axes), columns), source.dtype)
    variable = unit.piece.variable
    with opened(unit.piece.file) as descriptor:
        reader = ChunkReader(descriptor, unit.piece.file.path.name, variable)
        for block in unit.blocks:
            shape = (_length(block), *lengths[1:])
            stored = np.empty(shape, variable.dtype.newbyteorder("="))
            reader.read([_moved(block), *map(_moved, unit.tile)], stored)
            part.add(_rows(source, reduction, unit, block, stored))
    part.shaped((*open_axes, columns))
    if last == 0 or (last in reduction.axes and last != reduction.grouped):
        part.collapse()
    return part


def _rows(
    source: Source, reduction: Reduction, unit: Unit, block: tuple[Part, ...], stored: np.ndarray
) -> _Rows:
    """Return the block decoded, as rows with their targets and weights."""
    first = unit.start + block[0].out.start
    box = (slice(first, first + len(stored)), *unit.box[1:])
    values, missing = _decoded(source, stored)
    columns = stored.shape[-1] if stored.ndim > 1 else 1
    leading = box[:-1] if stored.ndim > 1 else box
    weights = reduction.weights.get(stored.ndim - 1) if stored.ndim > 1 else None
    return _Rows(
        values.reshape(-1, columns),
        _targets(reduction, leading, unit.box[0]),
        _row_weights(reduction, leading),
        np.ones(columns) if weights is None else weights[box[-1]].astype("float64"),
        missing,
    )


def _targets(reduction: Reduction, box: tuple[slice, ...], whole: slice) -> np.ndarray:
    """Return the row of cells for each row of a block; `whole` is the unit's first dimension."""
    targets, stride = np.zeros((1,) * len(box), "int64"), 1
    skipped = np.zeros((1,) * len(box), bool)
    for axis in reversed(range(len(box))):
        shape = [-1 if other == axis else 1 for other in range(len(box))]
        extent = box[axis]
        if axis == reduction.grouped and reduction.labels is not None:
            labels = reduction.labels[extent].astype("int64").reshape(shape)
            targets, skipped = targets + labels * stride, skipped | (labels < 0)
            stride *= reduction.groups
        elif axis not in reduction.axes:
            start = whole.start if axis == 0 else extent.start
            end = whole.stop if axis == 0 else extent.stop
            targets = (
                targets + (np.arange(extent.start, extent.stop) - start).reshape(shape) * stride
            )
            stride *= end - start
    lengths = [extent.stop - extent.start for extent in box]
    return np.broadcast_to(np.where(skipped, -1, targets), lengths).reshape(-1)


def _row_weights(reduction: Reduction, box: tuple[slice, ...]) -> np.ndarray:
    """Return the product of the weights of all dimensions but the last, for each row of a block."""
    result = np.ones([extent.stop - extent.start for extent in box])
    for axis, extent in enumerate(box):
        if axis in reduction.weights:
            shape = [-1 if other == axis else 1 for other in range(len(box))]
            result = result * reduction.weights[axis][extent].reshape(shape)
    return result.reshape(-1)


def _decoded(source: Source, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values, and the values among them that stand for missing ones."""
    none = np.full(2, np.nan, source.dtype)
    if stored.dtype == source.dtype and source.scale is None and source.offset is None:
        none[: len(source.missing)] = source.missing
        return stored, none
    values = stored.astype(source.dtype)
    if source.scale is not None:
        values *= source.scale
    if source.offset is not None:
        values += source.offset
    for missing in source.missing:
        values[stored == missing] = np.nan
    return values, none


def _moved(along: Iterable[Part]) -> list[Part]:
    """Return the parts with their places counted from the first of them."""
    along = list(along)
    start = along[0].out.start
    return [
        Part(part.chunk, part.local, slice(part.out.start - start, part.out.stop - start))
        for part in along
    ]


def _length(along: tuple[Part, ...]) -> int:
    return int(along[-1].out.stop - along[0].out.start)


def _in_order(
    function: Callable[[Task], Result], tasks: Iterable[Task], threads: int
) -> Iterator[Result]:
    """Yield the results of the tasks in their order, computed in threads a few ahead."""
    waiting: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="stream")
    try:
        for task in tasks:
            waiting.append(pool.submit(function, task))
            if len(waiting) >= AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
