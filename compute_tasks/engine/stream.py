"""Reductions computed while reading, block by block, in bounded memory and in threads.

Pure functions from files, or from what is made of them, to an array: no dask, no dataset. Nothing
larger than a few chunks is held apart from the accumulators of the cells of the result.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from compute_tasks.engine import budget
from compute_tasks.engine.accumulators import Accumulator, accumulator
from compute_tasks.engine.blocks import Box, Unit
from compute_tasks.engine.expression import Node, Stored
from compute_tasks.engine.loading import Loaded, loaded, plain
from compute_tasks.engine.mapping import in_order
from compute_tasks.engine.node_units import AnyUnit, NodeUnit, units_of
from compute_tasks.engine.places import UnitPlaces
from compute_tasks.engine.reader import opened
from compute_tasks.engine.reduction import Reduction, Source
from compute_tasks.engine.worker import Worker, Workers
from compute_tasks.parts import NO_PARTS, Parts

MEMORY_BYTES = 1_000_000_000


def reduce(
    of: Source | Node,
    reduction: Reduction,
    *,
    threads: int,
    memory_bytes: int = MEMORY_BYTES,
    report: Callable[[float], None] = lambda share: None,
    parts: Parts = NO_PARTS,
) -> np.ndarray:
    """Return the reduced array, the same bit for bit for any number of threads and any memory.

    Sums, means, variances are float64, counts int64, extremes of the type of the values (or float64
    where cells of whole numbers have none). `report` is told the share that is done after each
    unit; an exception it raises ends the work. What is merged is kept among the `parts`, and what
    is there is not read. Raises DamagedFileError, `budget.MemoryNeeded`, and ValueError where the
    reduction cannot be streamed.
    """
    node = Stored(of) if isinstance(of, Source) else of
    reduction.check(node.shape, node.dtype)
    units = list(units_of(node, reduction))
    plan = budget.passes(node, reduction, units, threads=threads, memory_bytes=memory_bytes)
    done, total, name = 0, sum(len(one.units) for one in plan), ("reduction", parts.next())
    result = np.empty(0)
    for number, one in enumerate(plan):
        lengths = (node.shape[0], *(extent.stop - extent.start for extent in one.window))
        cells = accumulator(reduction.statistic, reduction.cells(lengths), merged=True)
        state, what = cells.arrays, (*name, number, [unit.box for unit in one.units])
        merged = parts.restore(state, len(one.units), *what)
        done, left = done + merged, one.units[merged:]
        for unit, part in zip(left, _computed(node, reduction, left, one.threads), strict=True):
            box = _moved(unit.box, one.window)
            cells.merge(reduction.region(box, reduction.span(unit.places)), part)
            done, merged = done + 1, merged + 1
            parts.keep(merged, state, *what)
            report(done / total)
        finished = np.asarray(cells.finish(reduction, node.dtype))
        if len(plan) == 1:
            return finished
        if number == 0:
            result = np.empty(reduction.cells(node.shape), finished.dtype)
        result = result.astype(np.result_type(result, finished), copy=False)
        result[reduction.region((slice(0, node.shape[0]), *one.window))] = finished
    return result


def memory(of: Source | Node, reduction: Reduction, *, threads: int) -> int:
    """Return about how many bytes `reduce` needs in one pass, beside the interpreter."""
    node = Stored(of) if isinstance(of, Source) else of
    return budget.needed(node, reduction, list(units_of(node, reduction)), threads)


def _computed(
    node: Node, reduction: Reduction, units: Sequence[AnyUnit], threads: int
) -> Iterator[Accumulator]:
    with Workers() as workers:

        def reduced(unit: AnyUnit) -> Accumulator:
            with workers.one() as worker:
                return _reduced(node, reduction, unit, worker)

        yield from in_order(reduced, units, threads)


def _moved(box: Box, window: Box) -> Box:
    """Return the box with its places counted from the window's first, but for the first axis."""
    inner = zip(box[1:], window, strict=True)
    return (box[0], *(slice(b.start - w.start, b.stop - w.start) for b, w in inner))


def _reduced(node: Node, reduction: Reduction, unit: AnyUnit, worker: Worker) -> Accumulator:
    """Return the cells of one unit, its blocks added one after the other."""
    # A series has groups by the hundred, of which a unit knows a few.
    own = reduction.within(reduction.span(unit.places))
    places = UnitPlaces(own, unit.box)
    part = accumulator(reduction.statistic, places.cells)
    for block in _blocks(node, unit, worker):
        part.add(block, places.of(block.steps, block.step_starts, block.starts))
    part.close(places)
    return part


def _blocks(node: Node, unit: AnyUnit, worker: Worker) -> Iterator[Loaded]:
    if isinstance(unit, Unit) and isinstance(node, Stored):
        with opened(unit.piece.file) as descriptor:
            yield from loaded(node.source, unit, descriptor, worker.scratch)
    elif isinstance(unit, NodeUnit):
        start = unit.blocks[0].start
        for block in unit.blocks:
            values = plain(worker.evaluator.value(node, (block, *unit.inner)))
            yield values._replace(steps=slice(block.start - start, block.stop - start))
