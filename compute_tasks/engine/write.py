"""Computing arrays straight into NetCDF files: chunks are packed in the threads that compute them.

The files exist, with all metadata, as the NetCDF library makes them, and are closed; only the
values are put in here: deflated chunks by HDF5's direct write, NetCDF-3 values at their place.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from compute_tasks.engine.boxes import blocks, largest_chunk, most_held
from compute_tasks.engine.chunked import ChunkedFile, Packed, pack
from compute_tasks.engine.destination import Destination, Guard
from compute_tasks.engine.evaluator import Box, lengths
from compute_tasks.engine.mapping import evaluate, fill, in_order
from compute_tasks.engine.plain import PlainVariable
from compute_tasks.engine.worker import Worker, Workers
from compute_tasks.errors import TooLarge
from compute_tasks.parts import NO_PARTS, Parts

Task = tuple[Destination, Box]
Place = tuple[Path, str]
"""A file, and a variable in it."""
Block = tuple[Task, Packed, list[np.ndarray]]
"""A task, its chunks that are to be stored, and what is to be kept of it as a part."""
RUN_BYTES = 1 << 21
"""Bytes put at once into a file without chunks, about."""
SMALL_BYTES = 1 << 22
"""Bytes up to which an array is computed as a whole before it is stored."""
SHARE = 16
"""A block has at most this part of the memory."""


def write(
    targets: Sequence[Destination],
    *,
    threads: int,
    memory_bytes: int,
    report: Callable[[float], None],
    guard: Guard,
    parts: Parts = NO_PARTS,
) -> None:
    """Compute and write all targets; those of one file follow on each other.

    `report` is told the share that is done, and may raise to end the work. Whatever writes does so
    inside `guard`, so that its errors can be told from those of reading. Blocks that are among the
    `parts` are not computed, and those that are computed become parts. Raises TooLarge, before
    anything is computed, where `memory_bytes` do not suffice for one thread.
    """
    most = memory_bytes // SHARE
    threads = min(threads, *(_fitting(target, most, memory_bytes) for target in targets))
    total = sum(math.prod(target.node.shape) for target in targets)
    targets, done = _small_in_memory(targets, threads, lambda n: report(n / total), parts)
    work = list(_work(targets, most))
    with guard():
        plain = {_place(t): PlainVariable(t.path, t.name) for t in targets if not t.chunk}
    parts.there(_name(task) for task in work if not _in_memory(task))
    with Workers() as workers, _Files(guard) as files:

        def finished(task: Task) -> Block:
            found = None if _in_memory(task) else parts.load(*_name(task))
            with workers.one() as worker:
                make = _packed if task[0].chunk else partial(_put, plain=plain, guard=guard)
                packed, kept = make(task, found, worker)
                if found is not None or not parts.active or _in_memory(task):
                    return task, packed, []
                # The buffers of the worker are used again.
                return task, packed, [array.copy() for array in kept]

        for task, packed, kept in in_order(finished, work, threads):
            files.put(task[0], packed)
            if kept:
                parts.hold(kept, *_name(task))
            if not _in_memory(task):
                done += math.prod(lengths(task[1]))
            report(done / total)
        files.finish()


def _small_in_memory(
    targets: Sequence[Destination], threads: int, tell: Callable[[float], None], parts: Parts
) -> tuple[list[Destination], int]:
    """Return the targets with the values of small ones, and the number of points of these.

    They may have few chunks, or one, for which much is read: too few for threads to share.
    """
    done = 0
    result = []
    for target in targets:
        points = math.prod(target.node.shape)
        if isinstance(target.node, np.ndarray):
            done += points
        elif points * target.node.dtype.itemsize <= SMALL_BYTES:
            before = done

            def told(share: float, before: int = before, points: int = points) -> None:
                tell(before + share * points)

            values = evaluate(target.node, threads=threads, report=told, parts=parts)
            target, done = replace(target, node=values), done + points
        result.append(target)
    return result, done


def _in_memory(task: Task) -> bool:
    return isinstance(task[0].node, np.ndarray)


def _place(target: Destination) -> Place:
    return target.path, target.name


def _name(task: Task) -> tuple[str, str, Box]:
    """Return what tells a block from others of the same run."""
    target, box = task
    return target.path.name, target.name, box


def _values(task: Task, worker: Worker) -> np.ndarray:
    target, box = task
    values = worker.scratch.array(lengths(box), target.node.dtype)
    fill(worker.evaluator, target.node, box, values)
    return values


def _packed(
    task: Task, found: list[np.ndarray] | None, worker: Worker
) -> tuple[Packed, list[np.ndarray]]:
    """Return the chunks of a block, and the same as arrays; `found` are the arrays of a part."""
    if found is not None:
        offsets, *contents = found
        chunks = zip(offsets.tolist(), contents, strict=True)
        return [(tuple(offset), content.tobytes()) for offset, content in chunks], found
    target, box = task
    chunk = target.chunk or ()
    packed = pack(_values(task, worker), box, chunk, target.dtype, target.fill, worker.scratch)
    arrays = [np.frombuffer(content, "u1") for _, content in packed]
    return packed, [np.array([offset for offset, _ in packed], "int64"), *arrays]


def _put(
    task: Task,
    found: list[np.ndarray] | None,
    worker: Worker,
    plain: Mapping[Place, PlainVariable],
    guard: Guard,
) -> tuple[Packed, list[np.ndarray]]:
    """Put a block in its place in a file without chunks and return its values."""
    target, box = task
    values = _values(task, worker) if found is None else found[0]
    with guard():
        plain[_place(target)].put(values, box, target.fill, worker.scratch)
    return [], [values]


def _work(targets: Sequence[Destination], most: int) -> Iterator[Task]:
    for target in targets:
        for box in blocks(target.node, _unit(target), most):
            yield target, box


def _unit(target: Destination) -> tuple[int, ...]:
    """Return the shape of what blocks are made of."""
    return target.chunk or _run(target.node.shape, target.dtype.itemsize)


def _fitting(target: Destination, most: int, memory_bytes: int) -> int:
    """Return how many threads the memory suffices for."""
    needed = most_held(target.node, _unit(target), most)
    if needed > memory_bytes:
        raise TooLarge(
            f"computing {target.name} needs about {_shown(needed)} of memory at a time, more than "
            f"the {_shown(memory_bytes)} a job may have; its input is stored in chunks of "
            f"{_shown(largest_chunk(target.node))}, use a copy of it in smaller ones"
        )
    return memory_bytes // needed


def _shown(count: int) -> str:
    return f"{math.ceil(count / 1e6)} MB"


def _run(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return a box of whole trailing dimensions of about RUN_BYTES, but one step at least."""
    room = RUN_BYTES // itemsize
    result: list[int] = []
    for length in reversed(shape):
        result.insert(0, max(1, min(length, room)))
        room //= max(1, length)
    return tuple(result)


class _Files:
    """The files with chunks, of which one is open at a time."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._open: dict[Path, ChunkedFile] = {}

    def __enter__(self) -> "_Files":
        return self

    def __exit__(self, *error: object) -> None:
        # Still open only after an error, which counts more than what closing adds.
        with suppress(OSError, RuntimeError):
            for file in self._open.values():
                file.close()

    def put(self, target: Destination, packed: Packed) -> None:
        """Store chunks in the file of the target, after closing that of another one."""
        if not packed:
            return
        with self._guard():
            if target.path not in self._open:
                self.finish()
                self._open[target.path] = ChunkedFile(target.path)
            self._open[target.path].put(target.name, packed)

    def finish(self) -> None:
        """Close the open file."""
        with self._guard():
            while self._open:
                self._open.popitem()[1].close()
