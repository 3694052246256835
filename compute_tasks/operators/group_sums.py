"""Weighted means of groups along an axis, reduced block by block."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from compute_tasks.operators import stream_reductions, streaming
from compute_tasks.operators.passes import (
    HELD_BYTES,
    Kernel,
    block_result,
    fitting,
    in_slabs,
    spans,
)

if TYPE_CHECKING:
    import dask.array as da
else:
    from compute_tasks.operators import dask_arrays as da


def group_means(
    data: xr.DataArray, dimension: str, codes: np.ndarray, weights: np.ndarray
) -> xr.Variable:
    """Return the weighted mean of each group of points along a dimension, in double precision.

    `codes` are the groups of the points, from 0 without gaps; the dimension then has one point for
    each. Missing values are left out, and where all are missing so is the mean.
    """
    streamed = stream_reductions.group_means(data.variable, dimension, codes, weights)
    if streamed is not None:
        return streamed
    first = (dimension, *(d for d in data.dims if d != dimension))
    values = streaming.lazily(data.variable).transpose(*first).data
    count = int(codes.max()) + 1
    if not isinstance(values, da.Array):
        means = _means(_kernel(codes, weights, 0, count)(values, slice(0, len(values))))
    elif count > 1 and (np.diff(codes) >= 0).all():
        means = _means(_in_turn(values, codes, weights))
    else:
        means = _recurring(values, codes, weights, count)
    return xr.Variable(first, means).transpose(*data.dims)


def _means(sums: Any) -> Any:
    """Return the means of sums of values and of weights, stacked; missing where nothing counts."""
    library = da if isinstance(sums, da.Array) else np
    total, whole = sums[0], sums[1]
    known = whole > 0
    return library.where(known, total / library.where(known, whole, 1.0), np.nan)


def _kernel(codes: np.ndarray, weights: np.ndarray, low: int, count: int) -> Kernel:
    """Return what sums the values and the weights of groups low .. low + count of one block."""

    def sums(block: np.ndarray, place: slice) -> np.ndarray:
        result = np.zeros((2, count, *block.shape[1:]))
        _add(result, block, codes[place] - low, weights[place])
        return result

    return sums


def _add(sums: np.ndarray, block: np.ndarray, groups: np.ndarray, weights: np.ndarray) -> None:
    """Add the values of a block and their weights to the sums of their groups."""
    for row, group, weight in zip(block, groups, weights, strict=True):
        known = ~np.isnan(row)
        total, whole = sums[0, group, ...], sums[1, group, ...]
        np.add(total, row * weight, out=total, where=known)
        np.add(whole, weight, out=whole, where=known)


def _recurring(values: da.Array, codes: np.ndarray, weights: np.ndarray, count: int) -> da.Array:
    """Return means of groups that all blocks may add to, in slabs if the sums are large.

    Dividing holds the sums a second time.
    """
    sizes = fitting(values.shape[1:], 2 * 8 * count, HELD_BYTES // 2)
    return in_slabs(
        values,
        dict(enumerate(sizes, start=1)),
        lambda slab: _means(_accumulated(slab, codes, weights, count)),
    )


def _accumulated(values: da.Array, codes: np.ndarray, weights: np.ndarray, count: int) -> da.Array:
    """Return the sums of the groups, one block after the other, so that only one set is held."""
    first, *others = spans(values)
    sums = block_result(values, first, _kernel(codes, weights, 0, count), (2, count))
    rest = tuple(range(1, values.ndim))
    kept = (values.ndim, values.ndim + 1, *rest)
    for place in others:
        sums = da.blockwise(
            _with_block(codes[place], weights[place]), kept, sums, kept,
            values[place], (0, *rest), dtype=np.float64, concatenate=True,
            meta=np.empty((0,) * sums.ndim),
        )  # fmt: skip
    return sums


def _with_block(groups: np.ndarray, weights: np.ndarray) -> Callable[..., np.ndarray]:
    def add(sums: np.ndarray, block: np.ndarray) -> np.ndarray:
        # No other task gets these sums, so that a copy would serve nothing.
        _add(sums, block, groups, weights)
        return sums

    return add


def _in_turn(values: da.Array, codes: np.ndarray, weights: np.ndarray) -> da.Array:
    """Return the sums of groups that follow each other, each held only while it may go on."""
    done, held, current = [], None, -1
    for place in spans(values):
        low, high = int(codes[place][0]), int(codes[place][-1])
        kernel = _kernel(codes, weights, low, high - low + 1)
        sums = block_result(values, place, kernel, (2, high - low + 1))
        start, end = sums[:, :1], sums[:, -1:]
        if held is not None and current == low:
            start = held + start
        elif held is not None:
            done.append(held)
        if low == high:
            held = start
        else:
            done += [start, sums[:, 1:-1]] if high - low > 1 else [start]
            held = end
        current = high
    return da.concatenate([*done, held], axis=1)
