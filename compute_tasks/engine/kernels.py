"""Loops over the bytes of one chunk, compiled to run without the interpreter's lock."""

import numba
import numpy as np

from compute_tasks.engine.compiling import kernel


def unshuffle(data: np.ndarray, out: np.ndarray, width: int) -> None:
    """Put the bytes of elements of 2, 4 or 8 bytes together again; both arrays are of bytes.

    `data` holds the first bytes of all elements, then all second bytes, and so on; bytes that are
    no whole element stand at the end.
    """
    whole = data.size - data.size % width
    _UNSHUFFLE[width](data[:whole], out[:whole].view(f"u{width}"))
    out[whole:] = data[whole:]


@kernel
def _unshuffle2(data: np.ndarray, out: np.ndarray) -> None:
    count = out.size
    for i in range(count):
        out[i] = np.uint16(data[i]) | (np.uint16(data[count + i]) << np.uint16(8))


@kernel
def _unshuffle4(data: np.ndarray, out: np.ndarray) -> None:
    count = out.size
    for i in range(count):
        out[i] = (
            np.uint32(data[i])
            | (np.uint32(data[count + i]) << np.uint32(8))
            | (np.uint32(data[2 * count + i]) << np.uint32(16))
            | (np.uint32(data[3 * count + i]) << np.uint32(24))
        )


@kernel
def _unshuffle8(data: np.ndarray, out: np.ndarray) -> None:
    count = out.size
    for i in range(count):
        low = (
            np.uint64(data[i])
            | (np.uint64(data[count + i]) << np.uint64(8))
            | (np.uint64(data[2 * count + i]) << np.uint64(16))
            | (np.uint64(data[3 * count + i]) << np.uint64(24))
        )
        high = (
            np.uint64(data[4 * count + i])
            | (np.uint64(data[5 * count + i]) << np.uint64(8))
            | (np.uint64(data[6 * count + i]) << np.uint64(16))
            | (np.uint64(data[7 * count + i]) << np.uint64(24))
        )
        out[i] = low | (high << np.uint64(32))


_UNSHUFFLE = {2: _unshuffle2, 4: _unshuffle4, 8: _unshuffle8}


@kernel
def fletcher32(data: np.ndarray) -> np.uint64:
    """Return HDF5's Fletcher checksum of the bytes, taken as big-endian words of 16 bits."""
    first, second = np.uint64(0), np.uint64(0)
    words = data.size // 2
    for start in range(0, words, 4096):
        for i in range(start, min(start + 4096, words)):
            first += (np.uint64(data[2 * i]) << np.uint64(8)) | np.uint64(data[2 * i + 1])
            second += first
        first, second = _fold(first), _fold(second)
    if data.size % 2:
        first = _fold(first + (np.uint64(data[data.size - 1]) << np.uint64(8)))
        second = _fold(second + first)
    return (second << np.uint64(16)) | first


@numba.njit(nogil=True)
def _fold(total: np.uint64) -> np.uint64:
    """Return the total in ones' complement of 16 bits: 65535 stands for its multiples but 0."""
    while total > np.uint64(65535):
        total = (total & np.uint64(65535)) + (total >> np.uint64(16))
    return total
