"""Deflating shuffled numbers quickly: bytes that only noise fills are stored as they are.

The middle or low bytes of most floats look random. Deflating them takes half of the time, in
writing and in reading, and saves nothing; the format has blocks for what is not compressed
(RFC 1951). Any zlib reads the result.
"""

import struct
from itertools import groupby

import numpy as np
from isal import isal_zlib

from compute_tasks.engine.value_kernels import are_even

LEVEL = 1
"""Of ISA-L: about six times as fast as zlib at its level 1, and the size much the same."""
SAMPLE_BYTES = 1 << 13
EVEN_BYTES = 1 << 12
LEAST_SAVED = 0.03
"""The part of a sample that deflating must save to be worth its time."""
HEADER = b"\x78\x01"
STORED_BYTES = 0xFFFF
"""Bytes of one stored block, at most."""
RAW = -15


def deflated(data: np.ndarray, planes: int) -> bytes:
    """Return the bytes as a zlib stream.

    They are those of numbers after shuffling: planes of equal length, of each number's first byte,
    second byte and so on.
    """
    length = data.size // planes
    starts = range(0, data.size, max(1, length))
    noisy = [_is_noise(data[start : start + length]) for start in starts]
    if not any(noisy):
        return bytes(isal_zlib.compress(data, LEVEL))
    pieces: list[bytes | memoryview] = [HEADER]
    begin = 0
    for noise, run in groupby(noisy):
        end = begin + length * len(list(run))
        pieces += _stored(data[begin:end]) if noise else [_packed(data[begin:end])]
        begin = end
    # An empty last block, and the sum of all bytes.
    pieces += [b"\x03\x00", struct.pack(">I", isal_zlib.adler32(data))]
    return b"".join(pieces)


def _is_noise(plane: np.ndarray) -> bool:
    """Tell by a sample whether deflating saves next to nothing."""
    middle = max(0, plane.size - SAMPLE_BYTES) // 2
    sample = plane[middle : middle + SAMPLE_BYTES]
    if not are_even(sample[:EVEN_BYTES]):
        return False
    # What repeats itself saves much, however evenly its bytes are used.
    return len(isal_zlib.compress(sample, LEVEL)) > (1 - LEAST_SAVED) * sample.size


def _stored(data: np.ndarray) -> list[bytes | memoryview]:
    """Return blocks that hold the bytes as they are."""
    pieces: list[bytes | memoryview] = []
    for begin in range(0, data.size, STORED_BYTES):
        block = data[begin : begin + STORED_BYTES]
        pieces += [struct.pack("<BHH", 0, block.size, block.size ^ STORED_BYTES), block.data]
    return pieces


def _packed(data: np.ndarray) -> bytes:
    """Return deflated blocks that end at a whole byte and are not the last ones."""
    packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, RAW)
    return bytes(packer.compress(data) + packer.flush(isal_zlib.Z_SYNC_FLUSH))
