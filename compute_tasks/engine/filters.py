"""Undoing the filters of a stored chunk: deflate, shuffle, fletcher32, zstd.

Each decoder knows how many bytes it must get; any other number is damage. Deflated and checksummed
bytes carry a sum that is compared; other damage that leaves the length as it is cannot be seen.
Filters are numbered as HDF5 registers them
(https://github.com/HDFGroup/hdf5_plugins/blob/master/docs/RegisteredFilterPlugins.md).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from imagecodecs import DeflateError, ZstdError, deflate_decode, zstd_decode

from compute_tasks.engine.kernels import fletcher32, unshuffle
from compute_tasks.engine.layout import Filter, UnsupportedError

DEFLATE, SHUFFLE, FLETCHER32, ZSTD = 1, 2, 3, 32015
INFLATE: dict[int, Any] = {DEFLATE: deflate_decode, ZSTD: zstd_decode}
NAMES = {
    4: "szip",
    5: "nbit",
    6: "scaleoffset",
    307: "bzip2",
    32001: "blosc",
    32004: "lz4",
    32008: "bitshuffle",
    32013: "zfp",
    32026: "blosc2",
}
CHECKSUM_BYTES = 4


class DamagedChunkError(Exception):
    """The bytes of a chunk cannot be what was written."""


def check_filters(filters: Sequence[Filter], itemsize: int) -> None:
    """Raise UnsupportedError unless all filters of the variable can be undone here."""
    numbers = [step.number for step in filters]
    for step in filters:
        if step.number not in (*INFLATE, SHUFFLE, FLETCHER32):
            raise UnsupportedError(f"filter {NAMES.get(step.number, step.number)}")
        if step.number == SHUFFLE and step.values[:1] != (itemsize,):
            raise UnsupportedError("shuffled in groups that are not its elements")
    if len(set(numbers)) != len(numbers) or sum(number in INFLATE for number in numbers) > 1:
        raise UnsupportedError("a filter applied twice, or two compressions")


def buffers(filters: Sequence[Filter]) -> int:
    """Return how many chunks, at most, are held between one step and the next in decoding one."""
    return sum(step.number != FLETCHER32 for step in filters[1:])


class Decoder:
    """Undoes the filters of one variable's chunks, one chunk at a time, in buffers it reuses.

    `chunk_bytes` is the length of a chunk without filters.
    """

    def __init__(self, filters: Sequence[Filter], itemsize: int, chunk_bytes: int) -> None:
        self.filters, self.itemsize, self.chunk_bytes = tuple(filters), itemsize, chunk_bytes
        self.buffers = np.empty((buffers(filters), chunk_bytes + CHECKSUM_BYTES), "u1")

    def decode(self, data: np.ndarray, mask: int, out: np.ndarray) -> None:
        """Put the values of the stored bytes into `out`, both of bytes, or raise DamagedChunkError.

        `mask` has the bits of the filters that were not applied to this chunk.
        """
        applied = [step.number for n, step in enumerate(self.filters) if not mask >> n & 1]
        unused = iter(self.buffers)
        while applied:
            number = applied.pop()
            # A checksum taken before the step makes its input longer.
            expected = self.chunk_bytes + CHECKSUM_BYTES * (FLETCHER32 in applied)
            if number == FLETCHER32:
                data = _checked(data)
            elif number == SHUFFLE and self.itemsize > 1:
                _expect(data, expected)
                target = next(unused)[:expected] if applied else out
                unshuffle(data, target, self.itemsize)
                data = target
            elif number in INFLATE:
                data = _inflated(number, data, next(unused)[:expected] if applied else out)
        _expect(data, self.chunk_bytes)
        if data is not out:
            out[...] = data


def _expect(data: np.ndarray, count: int) -> None:
    if data.size != count:
        raise DamagedChunkError(f"{data.size} bytes instead of {count}")


def _inflated(number: int, data: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Decompress into `out`, which the result must fill exactly."""
    try:
        result = INFLATE[number](data, out=out)
    except (DeflateError, ZstdError) as error:
        raise DamagedChunkError("it cannot be decompressed") from error
    if len(result) != out.size:
        raise DamagedChunkError(f"it decompresses to {len(result)} bytes instead of {out.size}")
    return out


def _checked(data: np.ndarray) -> np.ndarray:
    """Return the bytes without their checksum, after comparing it."""
    content, stored = data[:-CHECKSUM_BYTES], data[-CHECKSUM_BYTES:].tobytes()
    if len(stored) < CHECKSUM_BYTES:
        raise DamagedChunkError("it is shorter than its checksum")
    right = int(fletcher32(content)).to_bytes(CHECKSUM_BYTES, "little")
    # HDF5 before 1.6.3 wrote the two bytes of each half in the other order, and reads both.
    if stored not in (right, bytes(right[i] for i in (1, 0, 3, 2))):
        raise DamagedChunkError("its checksum is wrong")
    return content
