"""Loops over values that are decoded or about to be stored, compiled to run without the
interpreter's lock.
"""

from typing import Any

import numpy as np

from compute_tasks.engine.compiling import kernel


@kernel
def blank(values: np.ndarray, absent: Any) -> None:
    """Replace floats that equal a value of their type by NaN."""
    for i in range(values.size):
        if values[i] == absent:
            values[i] = np.nan


def shuffled(values: np.ndarray, fill: np.generic | None, out: np.ndarray) -> None:
    """Put the first bytes of all values into `out` (bytes), then all second ones, and so on.

    NaN becomes `fill`, unless that is None. Both arrays have one dimension.
    """
    bits, absent = _as_bits(values, fill)
    _SHUFFLE[values.itemsize](bits, *absent, out)


def swapped(values: np.ndarray, fill: np.generic | None, out: np.ndarray) -> None:
    """Put the values into `out` (bytes), each with its last byte first; NaN becomes `fill`."""
    bits, absent = _as_bits(values, fill)
    _SWAP[values.itemsize](bits, *absent, out.view(bits.dtype))


def _as_bits(values: np.ndarray, fill: np.generic | None) -> tuple[np.ndarray, Any]:
    """Return values as whole numbers; what their low bits must exceed to be NaN; what that becomes.

    Where nothing is to be replaced no bits exceed the limit.
    """
    kind = np.dtype(f"u{values.itemsize}").type
    if fill is None or values.dtype.kind != "f":
        return values.view(kind), (kind(0), kind(0), kind(0))
    infinity = np.array(np.inf, values.dtype).view(kind)[()]
    replaced = np.array(fill, values.dtype).view(kind)[()]
    return values.view(kind), (kind(np.iinfo(kind).max >> 1), infinity, replaced)


@kernel
def _shuffle1(bits: np.ndarray, low: Any, limit: Any, fill: Any, out: np.ndarray) -> None:
    out[:] = bits


@kernel
def _shuffle2(bits: np.ndarray, low: Any, limit: Any, fill: Any, out: np.ndarray) -> None:
    count = bits.size
    for i in range(count):
        value = fill if bits[i] & low > limit else bits[i]
        out[i] = value & 255
        out[count + i] = value >> 8


@kernel
def _shuffle4(bits: np.ndarray, low: Any, limit: Any, fill: Any, out: np.ndarray) -> None:
    count = bits.size
    for i in range(count):
        value = fill if bits[i] & low > limit else bits[i]
        out[i] = np.uint8(value)
        out[count + i] = np.uint8(value >> np.uint32(8))
        out[2 * count + i] = np.uint8(value >> np.uint32(16))
        out[3 * count + i] = np.uint8(value >> np.uint32(24))


@kernel
def _shuffle8(bits: np.ndarray, low: Any, limit: Any, fill: Any, out: np.ndarray) -> None:
    count = bits.size
    for i in range(count):
        value = fill if bits[i] & low > limit else bits[i]
        out[i] = np.uint8(value)
        out[count + i] = np.uint8(value >> np.uint64(8))
        out[2 * count + i] = np.uint8(value >> np.uint64(16))
        out[3 * count + i] = np.uint8(value >> np.uint64(24))
        out[4 * count + i] = np.uint8(value >> np.uint64(32))
        out[5 * count + i] = np.uint8(value >> np.uint64(40))
        out[6 * count + i] = np.uint8(value >> np.uint64(48))
        out[7 * count + i] = np.uint8(value >> np.uint64(56))


_SHUFFLE = {1: _shuffle1, 2: _shuffle2, 4: _shuffle4, 8: _shuffle8}


@kernel
def _swap2(bits: np.ndarray, low: Any, limit: Any, fill: Any, out: np.ndarray) -> None:
    for i in range(bits.size):
        value = fill if bits[i] & low > limit else bits[i]
        out[i] = (value << np.uint16(8)) | (value >> np.uint16(8))


@kernel
def _swap4(bits: np.ndarray, low: Any, limit: Any, fill: Any, out: np.ndarray) -> None:
    for i in range(bits.size):
        value = fill if bits[i] & low > limit else bits[i]
        halves = ((value & np.uint32(0x00FF00FF)) << np.uint32(8)) | (
            (value >> np.uint32(8)) & np.uint32(0x00FF00FF)
        )
        out[i] = (halves << np.uint32(16)) | (halves >> np.uint32(16))


@kernel
def _swap8(bits: np.ndarray, low: Any, limit: Any, fill: Any, out: np.ndarray) -> None:
    for i in range(bits.size):
        value = fill if bits[i] & low > limit else bits[i]
        value = ((value & np.uint64(0x00FF00FF00FF00FF)) << np.uint64(8)) | (
            (value >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
        )
        value = ((value & np.uint64(0x0000FFFF0000FFFF)) << np.uint64(16)) | (
            (value >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
        )
        out[i] = (value << np.uint64(32)) | (value >> np.uint64(32))


_SWAP = {1: _shuffle1, 2: _swap2, 4: _swap4, 8: _swap8}
