"""Deflating shuffled numbers quickly: each of their bytes in the way that suits it.

The middle or low bytes of most floats look random. Looking for repeats among them takes most of the
time of writing and saves next to nothing. Where all values are as frequent the bytes are stored as
they are, elsewhere each is coded for itself (see `literals`). Any zlib reads the result.
"""

import struct
from itertools import groupby

import numpy as np
from isal import isal_zlib

from compute_tasks.engine import literals

LEVEL = 1
"""Of ISA-L: about six times as fast as zlib at its level 1, and the size much the same."""
HEADER = b"\x78\x01"
LAST = b"\x03\x00"
"""An empty last block."""
STORED_BYTES = 0xFFFF
"""Bytes of one stored block, at most."""
RAW = -15

Pieces = list[bytes | memoryview]


def deflated(data: np.ndarray, planes: int) -> bytes:
    """Return the bytes as a zlib stream.

    They are those of numbers after shuffling: planes of equal length, of each number's first byte,
    second byte and so on.
    """
    kinds = literals.kinds(data, planes).tolist()
    if not any(kinds):
        return bytes(isal_zlib.compress(data, LEVEL))
    length = data.size // planes
    pieces: Pieces = [HEADER]
    begin = 0
    for kind, run in groupby(kinds):
        end = begin + length * len(list(run))
        if kind == literals.EVEN:
            pieces += _stored(data[begin:end])
        elif kind == literals.UNEVEN:
            pieces += [_coded(data[start : start + length]) for start in range(begin, end, length)]
        else:
            pieces += _packed(data[begin:end])
        begin = end
    pieces += [LAST, struct.pack(">I", isal_zlib.adler32(data))]
    return b"".join(pieces)


def _stored(data: np.ndarray) -> Pieces:
    """Return blocks that hold the bytes as they are."""
    pieces: Pieces = []
    for begin in range(0, data.size, STORED_BYTES):
        block = data[begin : begin + STORED_BYTES]
        pieces += [struct.pack("<BHH", 0, block.size, block.size ^ STORED_BYTES), block.data]
    return pieces


def _coded(data: np.ndarray) -> memoryview:
    """Return a block of codes, and an empty one that ends at a whole byte."""
    out = np.empty(literals.room(data.size), "u4")
    size = literals.code(data, out)
    return memoryview(out.view("u1")[:size].data)


def _packed(data: np.ndarray) -> Pieces:
    """Return deflated blocks that end at a whole byte and are not the last ones."""
    packer = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, RAW)
    return [packer.compress(data), packer.flush(isal_zlib.Z_SYNC_FLUSH)]
