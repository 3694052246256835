"""Reading bytes at places of an open file into arrays, without a position and without copies."""

import os
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from compute_tasks.engine.filters import DamagedChunkError
from compute_tasks.engine.hyperslab import Index, is_whole, pick
from compute_tasks.engine.layout import Handle

SPAN_BYTES = 1 << 16
"""Bytes read at once, at most, of which only some are wanted."""


def fill(file: Handle, out: np.ndarray, offset: int) -> None:
    """Fill a C-contiguous array with the bytes from `offset` on; DamagedChunkError at the end."""
    view = memoryview(out.reshape(-1).view("u1").data)
    if not isinstance(file, int):
        file.fill(view, offset)
        return
    while view:
        count = os.preadv(file, [view], offset)
        if count == 0:
            raise DamagedChunkError("the file ends before it")
        view, offset = view[count:], offset + count


def gather(
    file: Handle, offset: int, shape: Sequence[int], local: Sequence[Index], out: np.ndarray
) -> None:
    """Read the elements at the places `local` of an array of this shape stored from `offset` on.

    `out` has the stored dtype and the shape of the selection. Little else than them is read.
    """
    if _is_run(shape, local) and out.flags.c_contiguous:
        first = local[0].start if local else 0  # type: ignore[union-attr]
        fill(file, out, offset + first * _row_bytes(shape, out))
        return
    row = _row_bytes(shape, out)
    positions = _positions(local[0])
    if row > SPAN_BYTES:
        for number, position in enumerate(positions):
            gather(file, offset + int(position) * row, shape[1:], local[1:], out[number])
        return
    for begin, end in pairwise(_groups(positions, SPAN_BYTES // row)):
        low, high = int(positions[begin]), int(positions[end - 1])
        span = np.empty((high - low + 1, *shape[1:]), out.dtype)
        fill(file, span, offset + low * row)
        out[begin:end] = pick(span, (positions[begin:end] - low, *local[1:]))


def _row_bytes(shape: Sequence[int], out: np.ndarray) -> int:
    """Return the bytes of one step along the first dimension."""
    return int(np.prod(shape[1:], dtype="int64")) * out.dtype.itemsize


def _is_run(shape: Sequence[int], local: Sequence[Index]) -> bool:
    """Tell whether the places are one run of bytes."""
    if not local:
        return True
    first = local[0]
    single = isinstance(first, slice) and (first.step == 1 or first.stop - first.start == 1)
    return single and is_whole(local[1:], shape[1:])


def _positions(index: Index) -> np.ndarray:
    if isinstance(index, np.ndarray):
        return index
    return np.arange(index.start, index.stop, index.step)


def _groups(positions: np.ndarray, room: int) -> list[int]:
    """Return where ascending positions are to be cut so that each group spans at most `room`."""
    edges = [0]
    while edges[-1] < len(positions):
        limit = positions[edges[-1]] + max(room, 1)
        edges.append(int(np.searchsorted(positions, limit)))
    return edges
