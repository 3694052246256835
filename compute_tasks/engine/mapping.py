"""Computing a node that is not reduced any more: whole, or block by block for a file.

Everything is computed in threads a few blocks ahead and given out in order, so that memory holds
some blocks however large the array is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np

from compute_tasks.engine.boxes import READ_BYTES, blocks, steps
from compute_tasks.engine.evaluator import Box, Evaluator, lengths, whole
from compute_tasks.engine.expression import Operand
from compute_tasks.engine.worker import Workers
from compute_tasks.parts import NO_PARTS, Parts

AHEAD = 2
"""Blocks in flight or waiting to be used, for each thread."""

Task = TypeVar("Task")
Result = TypeVar("Result")


def compute(node: Operand, box: Box | None = None) -> np.ndarray:
    """Return the values in a box (None: all), computed in this thread; raises as `Evaluator`."""
    box = whole(node.shape) if box is None else box
    out = np.empty(lengths(box), node.dtype)
    with Evaluator() as evaluator:
        fill(evaluator, node, box, out)
    return out


def evaluate(
    node: Operand,
    *,
    threads: int,
    report: Callable[[float], None] = lambda share: None,
    parts: Parts = NO_PARTS,
) -> np.ndarray:
    """Return all values, computed in threads; `report` is told the share that is done.

    What is finished is kept among the `parts`, and what is there is not computed.
    """
    out = np.empty(node.shape, node.dtype)
    work = list(blocks(node, (1,) * out.ndim, READ_BYTES)) if out.size else []
    name = ("values", parts.next(), work)
    finished = parts.restore([out], len(work), *name)
    with Workers() as workers:

        def computed(box: Box) -> None:
            with workers.one() as worker:
                fill(worker.evaluator, node, box, out[box])

        computing = in_order(computed, work[finished:], threads)
        for number, _ in enumerate(computing, start=finished + 1):
            parts.keep(number, [out], *name)
            report(number / len(work))
    return out


def fill(evaluator: Evaluator, node: Operand, box: Box, out: np.ndarray) -> None:
    """Put the values in the box into `out`, little by little."""
    for part in steps(node, box):
        target: Any = tuple(
            slice(inner.start - outer.start, inner.stop - outer.start)
            for inner, outer in zip(part, box, strict=True)
        )
        evaluator.fill(node, part, out[(*target, ...)])


def in_order(
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
