"""Putting chunks into NetCDF-4 files: shuffled and deflated in any thread, stored by one."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from compute_tasks.engine.deflate import deflated
from compute_tasks.engine.evaluator import Box
from compute_tasks.engine.scratch import Scratch
from compute_tasks.engine.value_kernels import shuffled

Packed = list[tuple[tuple[int, ...], bytes]]
"""Chunks as they are stored, and where in the array each begins."""


def pack(
    values: np.ndarray,
    box: Box,
    chunk: tuple[int, ...],
    dtype: np.dtype,
    fill: np.generic | None,
    scratch: Scratch,
) -> Packed:
    """Return the chunks of a box of whole chunks, which only the end of the array may cut off."""
    flat = scratch.array((int(np.prod(chunk)) * dtype.itemsize,), np.dtype("u1"))
    padded = scratch.array(chunk, dtype)
    result = []
    for part in _chunks(values.shape, chunk):
        whole = _whole(values[part], fill, padded)
        shuffled(whole.reshape(-1), fill, flat)
        offset = tuple(b.start + p.start for b, p in zip(box, part, strict=True))
        result.append((offset, deflated(flat, dtype.itemsize)))
    return result


def _chunks(shape: tuple[int, ...], chunk: tuple[int, ...]) -> Iterator[Box]:
    starts = (range(0, length, step) for length, step in zip(shape, chunk, strict=True))
    for place in product(*starts):
        yield tuple(
            slice(begin, min(begin + step, length))
            for begin, step, length in zip(place, chunk, shape, strict=True)
        )


def _whole(part: np.ndarray, fill: np.generic | None, padded: np.ndarray) -> np.ndarray:
    """Return the part as one run of memory in its stored type, a whole chunk like `padded`."""
    whole = part.shape == padded.shape
    if whole and part.dtype == padded.dtype and part.flags.c_contiguous:
        return part
    if not whole:
        padded[...] = 0 if fill is None else fill
    padded[tuple(slice(0, length) for length in part.shape)] = part
    return padded


class ChunkedFile:
    """A NetCDF-4 file whose chunks are put in; used by one thread."""

    def __init__(self, path: Path) -> None:
        self._file = h5py.File(path, "r+", locking=False)
        self._datasets: dict[str, Any] = {}

    def put(self, name: str, packed: Packed) -> None:
        """Store chunks of a variable; OSError or RuntimeError where they cannot be."""
        if name not in self._datasets:
            self._datasets[name] = self._file[name].id
        for offset, content in packed:
            self._datasets[name].write_direct_chunk(offset, content)

    def close(self) -> None:
        """Close the file; raises as `put`."""
        self._file.close()
