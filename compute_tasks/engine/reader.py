"""Reading any hyperslab of an indexed variable into a numpy array.

The chunks that are needed are read and decoded in threads, straight into their place where that is
possible. Nothing here enters the HDF5 library, and nothing is kept from one call to the next.
"""

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from compute_tasks.engine import threads
from compute_tasks.engine.bytes import fill, gather
from compute_tasks.engine.filters import DamagedChunkError, Decoder
from compute_tasks.engine.hyperslab import (
    Index,
    Key,
    Part,
    is_whole,
    normalise,
    parts,
    pick,
    restore,
)
from compute_tasks.engine.layout import (
    NEVER_WRITTEN,
    DamagedFileError,
    File,
    Handle,
    Identity,
    VariableIndex,
)

INLINE_BYTES = 1 << 18
"""Reads of up to this many bytes are not worth waking threads for."""
BATCHES_PER_THREAD = 4
ROW_BYTES = 1 << 12
"""Chunks of up to this many bytes cost less to read whole than to read with care."""

Batch = Sequence[Sequence[Part]]
"""The parts of chunks wanted along each dimension."""


def read(file: File, variable: VariableIndex, key: Sequence[Key]) -> np.ndarray:
    """Return the selected elements in native byte order, neither masked nor scaled.

    `key` has an integer, a slice or an array of integers for each dimension; arrays select along
    their own dimension only. Raises DamagedFileError where the bytes cannot be what was written or
    the file is no longer the one that was indexed, and IndexError.
    """
    axes = [normalise(one, length) for one, length in zip(key, variable.shape, strict=True)]
    out = np.empty([len(axis.positions) for axis in axes], variable.dtype.newbyteorder("="))
    if out.size:
        wanted = [parts(a.positions, size) for a, size in zip(axes, variable.chunk, strict=True)]
        with opened(file) as descriptor:
            _read_parts(descriptor, file.name, variable, wanted, out)
    return restore(out, axes)


@contextmanager
def opened(file: File) -> Iterator[Handle]:
    """Open the file for the length of a `with`; DamagedFileError if it is no longer the same."""
    if not isinstance(file, Identity):
        yield file
        return
    try:
        descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise DamagedFileError(f"{file.name} cannot be opened any more") from error
    try:
        if not file.holds(descriptor):
            raise DamagedFileError(f"{file.name} was changed after it was opened")
        yield descriptor
    finally:
        os.close(descriptor)


def _read_parts(
    descriptor: Handle, file: str, variable: VariableIndex, wanted: Batch, out: np.ndarray
) -> None:
    def read_batch(batch: Batch) -> None:
        ChunkReader(descriptor, file, variable).read(batch, out)

    if out.nbytes <= INLINE_BYTES:
        read_batch(wanted)
    else:
        threads.each(read_batch, _batches(wanted))


def _batches(wanted: Batch) -> list[Batch]:
    """Cut the dimension with the most parts into runs, a few for each thread."""
    axis = max(range(len(wanted)), key=lambda number: len(wanted[number]))
    along = wanted[axis]
    length = -(-len(along) // (BATCHES_PER_THREAD * threads.width()))
    return [
        [*wanted[:axis], along[begin : begin + length], *wanted[axis + 1 :]]
        for begin in range(0, len(along), length)
    ]


class ChunkReader:
    """Reads batches of chunks of one variable in one thread, with buffers of its own.

    `descriptor` is that of the open file, `file` its name for errors.
    """

    def __init__(self, descriptor: Handle, file: str, variable: VariableIndex) -> None:
        self.descriptor, self.file, self.variable = descriptor, file, variable
        if variable.filters:
            self.decoder = Decoder(variable.filters, variable.dtype.itemsize, variable.chunk_bytes)
            self.stored = np.empty(variable.chunk_bytes, "u1")
            self.decoded = np.empty(variable.chunk, variable.dtype)

    def read(self, batch: Batch, out: np.ndarray) -> None:
        """Read the chunks of all combinations of the parts into their places in `out`.

        It has the stored type, or that in native byte order.
        """
        if _are_small_rows(self.variable):
            self._read_small_rows(batch, out)
            return
        for combination in itertools.product(*batch):
            place = tuple(part.chunk for part in combination)
            target: tuple[Any, ...] = (*(part.out for part in combination), ...)
            try:
                self._read_chunk(place, [part.local for part in combination], out[target])
            except DamagedChunkError as error:
                raise damaged(self.file, self.variable, place, error) from error

    def _read_small_rows(self, batch: Batch, out: np.ndarray) -> None:
        """Read rows of a few bytes whole, each by one system call and little else."""
        rows = np.empty((len(batch[0]), *self.variable.chunk[1:]), self.variable.dtype)
        for part, row in zip(batch[0], rows.reshape(len(rows), -1), strict=True):
            try:
                fill(self.descriptor, row, int(self.variable.offsets[part.chunk].item()))
            except DamagedChunkError as error:
                raise damaged(self.file, self.variable, (part.chunk,), error) from error
        inner = [along[0] for along in batch[1:]]
        extent = slice(batch[0][0].out.start, batch[0][-1].out.stop)
        region = out[(extent, *(part.out for part in inner))]
        region[...] = pick(rows, (slice(None), *(part.local for part in inner)))

    def _read_chunk(self, place: tuple[int, ...], local: list[Index], region: np.ndarray) -> None:
        """Put the elements `local` of the chunk at that place of the grid into `region`."""
        variable = self.variable
        if variable.inline is not None:
            whole = np.frombuffer(variable.inline, variable.dtype).reshape(variable.shape)
            region[...] = pick(whole, local)
            return
        offset = int(variable.offsets[place])
        if offset == NEVER_WRITTEN:
            region[...] = variable.fill
            return
        # The bytes arrive as stored; a view with the stored dtype keeps numpy from swapping them.
        target = region.view(variable.dtype)
        if not variable.filters:
            gather(self.descriptor, offset, variable.chunk, local, target)
        elif is_whole(local, variable.chunk) and target.flags.c_contiguous:
            self._decode(place, offset, target)
        else:
            self._decode(place, offset, self.decoded)
            target[...] = pick(self.decoded, local)
        if region.dtype != variable.dtype:
            # Faster than byteswap, which also keeps the interpreter's lock.
            np.copyto(region, target)

    def _decode(self, place: tuple[int, ...], offset: int, out: np.ndarray) -> None:
        """Read and decode one whole chunk into a C-contiguous array of its shape."""
        size = int(self.variable.sizes[place])
        if size > self.stored.size:
            self.stored = np.empty(size, "u1")
        stored = self.stored[:size]
        fill(self.descriptor, stored, offset)
        mask = int(self.variable.masks[place])
        self.decoder.decode(stored, mask, out.reshape(-1).view("u1"))


def damaged(
    file: str, variable: VariableIndex, place: tuple[int, ...], error: DamagedChunkError
) -> DamagedFileError:
    """Return the error that says which chunk is damaged, and how."""
    return DamagedFileError(f"{file}: variable {variable.name!r}, chunk {place}: {error}")


def _are_small_rows(variable: VariableIndex) -> bool:
    """Tell whether each chunk is one short step along the first dimension, as it is in the file."""
    return (
        variable.chunk[:1] == (1,)
        and variable.chunk_bytes <= ROW_BYTES
        and variable.offsets.size == len(variable.offsets)
        and not variable.filters
        and variable.inline is None
        and bool((variable.offsets != NEVER_WRITTEN).all())
    )
