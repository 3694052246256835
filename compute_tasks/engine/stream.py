"""Reductions computed while reading, block by block, in bounded memory and in threads.

Pure functions from files to an array: no dask, no dataset. Nothing larger than a few chunks is held
apart from the accumulators of the cells of the result.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from compute_tasks.engine.accumulators import Accumulator, accumulator
from compute_tasks.engine.blocks import Unit, units
from compute_tasks.engine.hyperslab import Part
from compute_tasks.engine.reader import ChunkReader, opened
from compute_tasks.engine.reduction import Reduction, Source
from compute_tasks.engine.rows import RowMaker

AHEAD = 2
"""Units in flight or waiting to be merged, for each thread."""
Task = TypeVar("Task")
Result = TypeVar("Result")


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
    work = list(_units(source, reduction))
    outcomes = _in_order(lambda unit: _reduced(source, reduction, unit), work, threads)
    for number, (unit, part) in enumerate(zip(work, outcomes, strict=True), start=1):
        result.merge(reduction.region(unit.box), part)
        report(number / len(work))
    return np.asarray(result.finish(reduction.statistic))


def memory(source: Source, reduction: Reduction, *, threads: int) -> int:
    """Return about how many bytes `reduce` needs, beside the interpreter."""
    cells, buffers = 0, 0
    for unit in _units(source, reduction):
        lengths = tuple(extent.stop - extent.start for extent in unit.box)
        columns = 1 if len(lengths) - 1 not in reduction.axes else lengths[-1]
        cells = max(cells, math.prod(reduction.cells(lengths)) * columns)
        chunk = unit.piece.variable.chunk_bytes if unit.piece.variable.filters else 0
        block = max(_length(block) for block in unit.blocks) * math.prod(lengths[1:])
        buffers = max(buffers, 4 * chunk + 2 * block * source.dtype.itemsize)
    waiting = (AHEAD + 1) * threads * cells + math.prod(reduction.cells(source.shape))
    return 8 * _arrays(reduction) * waiting + threads * buffers


def _units(source: Source, reduction: Reduction) -> Iterator[Unit]:
    if reduction.keeps_first:
        return units(source.pieces, None)
    last = len(source.shape) - 1
    columns = source.shape[last] if last and last in reduction.axes else 1
    cells = math.prod(reduction.cells(source.shape)) * columns
    return units(source.pieces, 8 * _arrays(reduction) * cells)


def _arrays(reduction: Reduction) -> int:
    """Return how many numbers an accumulator keeps for each cell."""
    return {"min": 1, "max": 1, "var": 4, "std": 4}.get(reduction.statistic, 2)


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
        longest = max(map(_length, unit.blocks))
        buffer = np.empty((longest, *lengths[1:]), variable.dtype.newbyteorder("="))
        maker = RowMaker(source, reduction, unit.box, longest)
        for block in unit.blocks:
            stored = buffer[: _length(block)]
            reader.read([_moved(block), *map(_moved, unit.tile)], stored)
            part.add(maker.rows(unit.start + block[0].out.start, stored))
    part.shaped((*open_axes, columns))
    if last == 0 or (last in reduction.axes and last != reduction.grouped):
        part.collapse()
    return part


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
