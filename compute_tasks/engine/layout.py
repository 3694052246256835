"""Where the values of a variable lie in its file: the chunk index, as plain values.

A variable is a grid of chunks. One that is stored in one run, or in records, is cut into chunks
here, so that every layout is read the same way.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

PIECE_BYTES = 1 << 20
"""Bytes, about, of the chunks a contiguous variable is cut into."""
MAX_CHUNKS = 20_000_000
NEVER_WRITTEN = -1
"""The offset of a chunk that is not in the file and holds the fill value throughout."""


class UnsupportedError(Exception):
    """The variable is stored in a way that only the NetCDF library reads; the text says which."""


class DamagedFileError(OSError):
    """The file contradicts itself or ends early; the text says which and where."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file this is, and which state of it; any change of content changes `mtime_ns`."""

    path: Path
    size: int
    mtime_ns: int
    inode: int

    @property
    def name(self) -> str:
        """What errors call the file."""
        return self.path.name

    @property
    def key(self) -> tuple[str | int | None, ...]:
        """What tells this file in this state from all others."""
        return str(self.path), self.size, self.mtime_ns, self.inode

    @classmethod
    def of(cls, path: Path) -> "Identity":
        """Return the identity of the file at this path as it is now; OSError if there is none."""
        return cls._from(path.resolve(), path.stat())

    def holds(self, descriptor: int) -> bool:
        """Tell whether the open file is still this one."""
        return self._from(self.path, os.fstat(descriptor)) == self

    @classmethod
    def _from(cls, path: Path, stat: os.stat_result) -> "Identity":
        return cls(path, stat.st_size, stat.st_mtime_ns, stat.st_ino)


class DistantFile(Protocol):
    """A file on another machine, in one state; `name`, `size` and `key` as those of `Identity`."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def size(self) -> int: ...  # noqa: D102

    @property
    def key(self) -> tuple[str | int | None, ...]: ...  # noqa: D102

    def fill(self, out: memoryview, offset: int) -> None:
        """Fill a buffer with the bytes from `offset` on, in any thread; TaskError if it cannot."""


File = Identity | DistantFile
Handle = int | DistantFile
"""An open file: the descriptor of one on this machine."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One step of an HDF5 filter pipeline: its registered number and its client values."""

    number: int
    values: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class VariableIndex:
    """The chunks of one variable.

    `dtype` is the stored one, byte order included; `filters` stand in the order of writing.
    `offsets` (bytes from the start of the file), `sizes` (stored bytes) and `masks` (bit n set:
    filter n was not applied) have one entry per chunk, in a grid. A compact variable has its bytes
    in `inline` and no chunks.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fill: np.generic
    chunk: tuple[int, ...]
    filters: tuple[Filter, ...]
    offsets: np.ndarray
    sizes: np.ndarray
    masks: np.ndarray
    inline: bytes | None = None

    @property
    def chunk_bytes(self) -> int:
        """The bytes of one whole chunk without filters."""
        return math.prod(self.chunk) * self.dtype.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class FileIndex:
    """The variables of a file by their path in it, and why others are left to the library."""

    identity: File
    variables: Mapping[str, VariableIndex]
    refused: Mapping[str, str]


def grid(shape: Sequence[int], chunk: Sequence[int]) -> tuple[int, ...]:
    """Return the number of chunks along each dimension; UnsupportedError if they are too many."""
    counts = tuple(-(-length // size) for length, size in zip(shape, chunk, strict=True))
    if math.prod(counts) > MAX_CHUNKS:
        raise UnsupportedError(f"{math.prod(counts)} chunks")
    return counts


def check_dtype(dtype: np.dtype) -> np.dtype:
    """Return the dtype if it is an integer or float of up to 8 bytes, or raise UnsupportedError."""
    if dtype.kind not in "iuf" or dtype.itemsize not in (1, 2, 4, 8) or dtype.str[1:] == "f2":
        raise UnsupportedError(f"data type {dtype}")
    return dtype


def contiguous(
    name: str,
    shape: tuple[int, ...],
    dtype: np.dtype,
    begin: int,
    *,
    stride: int = 0,
    fill: np.generic | None = None,
) -> VariableIndex:
    """Return the index of a variable stored in one run from byte `begin`, or never written.

    With `stride` its first dimension is made of records that many bytes apart.
    """
    records = (1,) if stride else ()
    chunk = (*records, *_piece(shape[len(records) :], dtype.itemsize))
    counts = grid(shape, chunk)
    offsets = np.full(counts, begin, "int64")
    sizes = np.full(counts, dtype.itemsize, "int64")
    distances = _distances(shape, dtype.itemsize, stride)
    for axis, (length, size, distance) in enumerate(zip(shape, chunk, distances, strict=True)):
        starts = np.arange(0, length, size).reshape(
            [-1 if i == axis else 1 for i in range(len(shape))]
        )
        sizes *= np.minimum(size, length - starts)
        if begin != NEVER_WRITTEN:
            offsets += starts * distance
    masks = np.zeros(counts, "uint32")
    blank = dtype.type(0) if fill is None else fill
    return VariableIndex(name, shape, dtype, blank, chunk, (), offsets, sizes, masks)


def _distances(shape: tuple[int, ...], itemsize: int, stride: int) -> list[int]:
    """Return the bytes from one element to the next along each dimension."""
    distances = [math.prod(shape[axis + 1 :]) * itemsize for axis in range(len(shape))]
    return [stride, *distances[1:]] if stride else distances


def _piece(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return a chunk shape of whole trailing dimensions that takes about PIECE_BYTES."""
    row, chunk = itemsize, []
    for length in reversed(shape):
        size = min(max(PIECE_BYTES // row, 1), max(length, 1))
        chunk.append(size)
        # A dimension that is cut stands alone: the chunk must be one run of bytes.
        row = row * max(length, 1) if size >= length else PIECE_BYTES + 1
    return tuple(reversed(chunk))
