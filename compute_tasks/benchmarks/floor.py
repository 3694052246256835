"""What no tool can go below: reading and inflating the chunks, compressing and writing the result.

Nothing is done with the numbers in between. The work is shared by as many threads as there are
processors.
"""

import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import imagecodecs
import numpy as np
from isal import isal_zlib

from compute_tasks.benchmarks.standing import serve

READ_BYTES = 1 << 18
WRITE_BYTES = 1 << 22
BATCH = 64
SAMPLE_BYTES = 1 << 28
LEVEL = 1
INFLATE: Any = imagecodecs.deflate_decode


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes in a file; `inflated` is their length without compression, 0 if there is none."""

    path: str
    offset: int
    size: int
    inflated: int


def prepare(question: dict[str, Any]) -> Callable[[], object]:
    """Return the work for `files`, of their chunks those in `steps`, and the result's parts."""
    inputs = _inputs(question["files"], question["variable"], question["steps"])
    threads = ThreadPoolExecutor(os.cpu_count())
    scratch = Path(question["scratch"])
    scratch.unlink(missing_ok=True)
    written = os.open(scratch, os.O_RDWR | os.O_CREAT)
    outputs = _outputs(question, written)

    def work() -> None:
        for tasks in (_batches(inputs), outputs):
            list(threads.map(lambda task: task(), tasks))
        os.close(written)
        threads.shutdown()

    return work


Task = Callable[[], object]


def _batches(chunks: list[Chunk]) -> list[Task]:
    starts = range(0, len(chunks), BATCH)
    return [partial(_read, chunks[start : start + BATCH]) for start in starts]


def _inputs(files: Iterable[str], variable: str, steps: list[int] | None) -> list[Chunk]:
    """Return the chunks of the variable in order; every whole file where it is not chunked."""
    chunks: list[Chunk] = []
    for path in files:
        if not h5py.is_hdf5(path):
            chunks += _spans(path, 0, Path(path).stat().st_size)
            continue
        with h5py.File(path) as file:
            stored = file[variable]
            if stored.chunks is None:
                chunks += _spans(path, stored.id.get_offset(), stored.nbytes)
                continue
            inflated = int(np.prod(stored.chunks)) * stored.dtype.itemsize
            found: list[Chunk] = []
            stored.id.chunk_iter(
                lambda info, path=path, inflated=inflated, found=found: found.append(
                    Chunk(path, info.byte_offset, info.size, inflated)
                )
            )
            chunks += found
    return chunks if steps is None else chunks[slice(*steps)]


def _spans(path: str, start: int, length: int) -> list[Chunk]:
    offsets = range(start, start + length, READ_BYTES)
    return [Chunk(path, o, min(READ_BYTES, start + length - o), 0) for o in offsets]


def _read(chunks: list[Chunk]) -> None:
    stored = np.empty(max(chunk.size for chunk in chunks), "u1")
    out = np.empty(max(chunk.inflated for chunk in chunks), "u1")
    descriptors = {path: os.open(path, os.O_RDONLY) for path in {chunk.path for chunk in chunks}}
    for chunk in chunks:
        data = stored[: chunk.size]
        os.preadv(descriptors[chunk.path], [data.data], chunk.offset)
        if chunk.inflated:
            INFLATE(data, out=out)
    for descriptor in descriptors.values():
        os.close(descriptor)


def _outputs(question: dict[str, Any], descriptor: int) -> list[Task]:
    """Return compressing and writing again what a result holds; a sample stands for the rest."""
    path = next(Path(question["written"]).glob("*.nc"))
    if path.stat().st_size < WRITE_BYTES:
        return []
    if not question["compresses"]:
        total, block = path.stat().st_size, bytes(WRITE_BYTES)
        starts = range(0, total, WRITE_BYTES)
        return [partial(os.pwrite, descriptor, block, start) for start in starts]
    blocks, count = _shuffled(path, question["variable"])
    places = Places()
    ranges = [range(start, min(start + BATCH, count)) for start in range(0, count, BATCH)]
    return [partial(_write, descriptor, places, blocks, numbers) for numbers in ranges]


def _shuffled(path: Path, variable: str) -> tuple[list[bytes], int]:
    """Return chunks of a result as they are before compression, and how many it has."""
    with h5py.File(path) as file:
        stored = file[variable]
        size = int(np.prod(stored.chunks)) * stored.dtype.itemsize
        count = stored.id.get_num_chunks()
        blocks = []
        for number in range(min(count, SAMPLE_BYTES // size)):
            place = stored.id.get_chunk_info(number).chunk_offset
            _, data = stored.id.read_direct_chunk(place)
            blocks.append(INFLATE(data, out=size))
    return blocks, count


class Places:
    """Gives each compressed chunk the next place in the file."""

    def __init__(self) -> None:
        self._end, self._lock = 0, threading.Lock()

    def next(self, size: int) -> int:
        """Return where that many bytes may go."""
        with self._lock:
            self._end += size
            return self._end - size


def _write(descriptor: int, places: Places, blocks: list[bytes], numbers: range) -> None:
    for number in numbers:
        data = isal_zlib.compress(blocks[number % len(blocks)], LEVEL)
        os.pwrite(descriptor, data, places.next(len(data)))


if __name__ == "__main__":
    serve(prepare)
