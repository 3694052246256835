"""Large lazy arrays in bounded memory: sums block by block, and inputs read again, not held.

What needs all of an input before its first value comes out would keep the input in memory. Above
`HELD_BYTES` it is read again instead, or once for each slab of the result, one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import dask.array as da
else:
    from compute_tasks.operators import dask_arrays as da

HELD_BYTES = 2**28
"""Bytes of input that may be held until a later step needs them."""

Kernel = Callable[[np.ndarray, slice], np.ndarray]


def read_again(data: da.Array, after: da.Array) -> da.Array:
    """Return the same array with a graph of its own, none of which runs until `after` is known."""
    # With it all of dask.array is loaded, for which streams do not wait.
    from dask.graph_manipulation import bind  # noqa: PLC0415

    again: da.Array = bind(data, after)
    return again


def fitting(shape: Sequence[int], each: int, room: int) -> tuple[int, ...]:
    """Return the shape of parts of an array that take at most `room` bytes, the last axes whole.

    `each` is the bytes of one point; a part has one point at least.
    """
    sizes: list[int] = []
    for size in reversed(shape):
        sizes.insert(0, max(1, min(size, room // each)))
        each *= sizes[0]
    return tuple(sizes)


def in_slabs(
    values: da.Array, sizes: Mapping[int, int], function: Callable[[da.Array], da.Array]
) -> da.Array:
    """Return the function of slabs that have the given `sizes` along some axes, put together.

    Its result must have these axes last, in their order. Each slab is read after the one before it
    is done.
    """
    counts = [-(-values.shape[axis] // size) for axis, size in sizes.items()]
    parts = np.empty(counts, dtype=object)
    before = None
    for index in np.ndindex(*counts):
        corner = [slice(None)] * values.ndim
        for place, (axis, size) in zip(index, sizes.items(), strict=True):
            corner[axis] = slice(place * size, (place + 1) * size)
        source = values if before is None else read_again(values, before)
        parts[index] = before = function(source[tuple(corner)])
    return da.block(parts.tolist())


def partial_sums(values: Any, kernel: Kernel, lead: tuple[int, ...]) -> Any:
    """Return the sum of the kernel's results for all blocks of values along the first axis.

    `kernel` gets a block and its place along that axis; it returns doubles with the leading shape
    `lead` in place of the axis. The sum is made pair by pair, in the order of the blocks.
    """
    if not isinstance(values, da.Array):
        return kernel(values, slice(0, len(values)))
    return added([block_result(values, place, kernel, lead) for place in spans(values)])


def spans(values: da.Array) -> list[slice]:
    """Return where each block along the first axis lies."""
    ends = np.cumsum(values.chunks[0])
    return [slice(int(e - n), int(e)) for e, n in zip(ends, values.chunks[0], strict=True)]


def block_result(values: da.Array, place: slice, kernel: Kernel, lead: tuple[int, ...]) -> da.Array:
    """Return the kernel's result for one block along the first axis, lazily."""
    rest = tuple(range(1, values.ndim))
    ahead = tuple(range(values.ndim, values.ndim + len(lead)))
    result: da.Array = da.blockwise(
        lambda block: kernel(block, place), (*ahead, *rest), values[place], (0, *rest),
        new_axes=dict(zip(ahead, lead, strict=True)), dtype=np.float64, concatenate=True,
        meta=np.empty((0,) * (len(lead) + len(rest))),
    )  # fmt: skip
    return result


def added(terms: Sequence[da.Array]) -> da.Array:
    """Return the sum, added in pairs so that few terms are held."""
    while len(terms) > 1:
        pairs = [a + b for a, b in zip(terms[::2], terms[1::2], strict=False)]
        terms = [*pairs, terms[-1]] if len(terms) % 2 else pairs
    return terms[0]
