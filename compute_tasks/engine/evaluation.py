"""Computing nodes: their reductions first, one after the other, then what is made of these."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from compute_tasks.engine.evaluator import Box, whole
from compute_tasks.engine.expression import Node, Operand, Pointwise, Reduced, Stored
from compute_tasks.engine.layout import DamagedFileError
from compute_tasks.engine.mapping import compute
from compute_tasks.engine.stream import MEMORY_BYTES, reduce
from compute_tasks.errors import SourceError
from compute_tasks.parts import NO_PARTS, Parts

Report = Callable[[float], None]


def nobody(share: float) -> None:
    """Tell nobody how much is done."""


@contextmanager
def reading() -> Iterator[None]:
    """Turn what is wrong with a file that is read into SourceError, which names no folder."""
    try:
        yield
    except DamagedFileError as error:
        raise SourceError(f"{error}; its data are damaged", locator="variable") from error
    except OSError as error:
        what = error.strerror or "unknown reason"
        raise SourceError(f"an input cannot be read: {what}", locator="variable") from error


def values(node: Operand, box: Box) -> np.ndarray:
    """Return the values of a node without reductions in a box; raises SourceError.

    Those of an array in memory are no copy.
    """
    if isinstance(node, np.ndarray):
        return node[box]
    with reading():
        return compute(node, box)


def in_memory(node: Node, *, threads: int) -> np.ndarray:
    """Return all values of a node; raises SourceError."""
    [settled] = settled_nodes([node], threads=threads)
    return values(settled, whole(settled.shape))


def settled_nodes(
    nodes: Iterable[Node],
    *,
    threads: int,
    memory_bytes: int = MEMORY_BYTES,
    report: Report = nobody,
    parts: Parts = NO_PARTS,
) -> list[Operand]:
    """Return the nodes with the results of their reductions in place of these.

    What several nodes share is computed once. `report` is told the share that is done, and ends the
    work by raising. `parts` keeps what is merged. Raises SourceError, and MemoryNeeded.
    """
    nodes = list(nodes)
    results: dict[int, np.ndarray] = {}
    todo = list(reductions(nodes))
    total, done = sum(_bytes(node.of) for node in todo), 0
    for node in todo:
        share = _bytes(node.of)
        given = replace(node, of=_with_results(node.of, results))
        told = _part(report, done / total, share / total)
        results[id(node)] = _reduced(given, threads, memory_bytes, told, parts)
        done += share
    return [_with_results(node, results) for node in nodes]


def reductions(nodes: Iterable[Operand]) -> Iterator[Reduced]:
    """Yield the reductions in some nodes, each once and after those it is made of."""
    seen: set[int] = set()
    for node in nodes:
        yield from _reductions(node, seen)


def _reductions(node: Operand, seen: set[int]) -> Iterator[Reduced]:
    if id(node) in seen:
        return
    seen.add(id(node))
    for child in children(node):
        yield from _reductions(child, seen)
    if isinstance(node, Reduced):
        yield node


def stored(node: Operand) -> Iterator[Stored]:
    """Yield the arrays in files that a node is made of."""
    if isinstance(node, Stored):
        yield node
    for child in children(node):
        yield from stored(child)


def is_reduced(node: Operand) -> bool:
    """Tell whether a node is made of results of reductions only."""
    if isinstance(node, np.ndarray | Reduced):
        return True
    return not isinstance(node, Stored) and all(map(is_reduced, children(node)))


def children(node: Operand) -> tuple[Operand, ...]:
    """Return what a node is made of."""
    if isinstance(node, Pointwise):
        return node.operands
    return () if isinstance(node, Stored | np.ndarray) else (node.of,)


def _with_results(node: Operand, results: Mapping[int, np.ndarray]) -> Operand:
    if id(node) in results:
        return results[id(node)]
    given = children(node)
    made = tuple(_with_results(child, results) for child in given)
    if all(one is other for one, other in zip(made, given, strict=True)):
        return node
    if isinstance(node, Pointwise):
        return replace(node, operands=made)
    return replace(node, of=made[0])  # type: ignore[type-var]


def _reduced(
    node: Reduced, threads: int, memory_bytes: int, report: Report, parts: Parts
) -> np.ndarray:
    options = {"threads": threads, "memory_bytes": memory_bytes}
    of: Any = node.of
    with reading():
        result = reduce(of, node.reduction, **options, report=report, parts=parts)
    return result.astype(node.dtype, copy=False)


def _bytes(node: Operand) -> int:
    return int(np.prod(node.shape, dtype=np.int64)) * node.dtype.itemsize or 1


def _part(report: Report, start: float, length: float) -> Report:
    return lambda share: report(start + length * share)
