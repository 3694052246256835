"""From a selection of elements to the parts of chunks that hold them, one dimension at a time."""

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

KNOWN = 64
"""Selections whose parts are kept: those of the files of one archive are mostly alike."""

Index = slice | np.ndarray
Key = int | np.integer | slice | np.ndarray


class Part(NamedTuple):
    """What one chunk gives: its number, the elements in it, their place in the result."""

    chunk: int
    local: Index
    out: slice


class Axis(NamedTuple):
    """The elements wanted along one dimension, ascending and each once, and how to reorder them.

    `restore` indexes the elements read: an int drops the dimension.
    """

    positions: range | np.ndarray
    restore: int | slice | np.ndarray


def normalise(key: Key, length: int) -> Axis:
    """Return the elements that the key selects of a dimension; IndexError if one is outside."""
    if isinstance(key, slice):
        wanted = range(length)[key]
        if wanted.step < 0:
            return Axis(wanted[::-1], slice(None, None, -1))
        return Axis(wanted, slice(None))
    if np.ndim(key) == 0:
        position = range(length)[int(key)]
        return Axis(range(position, position + 1), 0)
    given = np.asarray(key, "int64")
    if ((given < -length) | (given >= length)).any():
        raise IndexError(f"an index outside a dimension of {length}")
    positions, inverse = np.unique(np.where(given < 0, given + length, given), return_inverse=True)
    return Axis(positions, inverse)


def restore(values: np.ndarray, axes: Sequence[Axis]) -> np.ndarray:
    """Return the values read in the order, number and dimensions that the keys asked for."""
    for number, axis in enumerate(axes):
        if isinstance(axis.restore, np.ndarray):
            values = values.take(axis.restore, axis=number)
    basic = [slice(None) if isinstance(axis.restore, np.ndarray) else axis.restore for axis in axes]
    return values[tuple(basic)]


def parts(positions: range | np.ndarray, size: int) -> Sequence[Part]:
    """Return the chunks of `size` elements that hold any of the ascending positions."""
    if isinstance(positions, range):
        return _range_parts(positions, size)
    chunks = positions // size
    edges = [0, *(np.flatnonzero(np.diff(chunks)) + 1).tolist(), len(positions)]
    result = []
    for begin, end in pairwise(edges):
        if begin < end:
            chunk = int(chunks[begin])
            result.append(Part(chunk, positions[begin:end] - chunk * size, slice(begin, end)))
    return result


@lru_cache(maxsize=KNOWN)
def _range_parts(positions: range, size: int) -> tuple[Part, ...]:
    start, step, count = positions.start, positions.step, len(positions)
    result, begin = [], 0
    while begin < count:
        chunk, first = divmod(start + begin * step, size)
        end = min(count, begin + -(-(size - first) // step))
        local = slice(first, first + (end - begin - 1) * step + 1, step)
        result.append(Part(chunk, local, slice(begin, end)))
        begin = end
    return tuple(result)


def pick(values: np.ndarray, local: Sequence[Index]) -> np.ndarray:
    """Return the elements at these places along each dimension; a view where it can be one."""
    arrays = [(axis, index) for axis, index in enumerate(local) if isinstance(index, np.ndarray)]
    values = values[tuple(slice(None) if isinstance(i, np.ndarray) else i for i in local)]
    for axis, index in arrays:
        values = values.take(index, axis=axis)
    return values


def is_whole(local: Sequence[Index], shape: Sequence[int]) -> bool:
    """Tell whether the places are all elements of a chunk of this shape, in order."""
    return all(
        isinstance(index, slice)
        and (index.start, index.stop) == (0, length)
        and (index.step == 1 or length == 1)
        for index, length in zip(local, shape, strict=True)
    )
