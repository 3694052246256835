"""Percentiles of lazy arrays larger than memory.

All values along the reduced axes must be in memory together, so the other axes are cut into tiles.
Where an input is cut into blocks along the reduced axes, every tile needs all of its blocks: large
ones are read once for each slab of tiles, one slab after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from compute_tasks.errors import TooLarge
from compute_tasks.operators.passes import HELD_BYTES, fitting, in_slabs

if TYPE_CHECKING:
    import dask.array as da
else:
    from compute_tasks.operators import dask_arrays as da

TILE_BYTES = 2**24
"""Bytes of one tile, which is sorted by one task."""
MOST_BYTES = 2**30
"""Bytes the values of one percentile may have."""


def percentiles(data: xr.DataArray, dims: Sequence[str], asked: Sequence[float]) -> xr.Variable:
    """Return percentiles (0 to 100) over `dims`, along a leading axis `percentile`.

    Between two values is interpolated linearly. Missing values are left out; where all are missing
    so are the percentiles. Double precision. Raises TooLarge if the values of a single result do
    not fit into memory.
    """
    kept = [str(d) for d in data.dims if d not in dims]
    values = data.variable.transpose(*kept, *dims).data
    each = int(np.prod(values.shape[len(kept) :])) * values.dtype.itemsize
    if each > MOST_BYTES:
        raise TooLarge(
            f"a percentile over {', '.join(dims)} needs {each} bytes of {data.name} at once; at "
            f"most {MOST_BYTES} can be had: reduce fewer axes or choose a smaller domain",
            locator="axes",
        )
    shares = np.asarray(asked, np.float64) / 100
    result: Any
    if isinstance(values, da.Array):
        result = _lazily(values, len(kept), each, shares)
    else:
        result = sorted_quantiles(values, len(kept), shares)
    return xr.Variable(("percentile", *kept), result)


def sorted_quantiles(values: np.ndarray, kept: int, shares: np.ndarray) -> np.ndarray:
    """Return quantiles (0 to 1) over all but the first `kept` axes, leading, missing left out."""
    flat = values.reshape(*values.shape[:kept], -1)
    flat = np.sort(flat if flat.dtype.kind == "f" else flat.astype(np.float64), axis=-1)
    count = (~np.isnan(flat)).sum(axis=-1)
    return np.stack([_at(flat, count, share) for share in shares])


def _at(ordered: np.ndarray, count: np.ndarray, share: float) -> np.ndarray:
    """Return the quantile of values in order, of which the first `count` are known."""
    place = np.maximum(count - 1, 0) * share
    below = np.floor(place).astype(int)
    above = np.minimum(below + 1, np.maximum(count - 1, 0))
    low, high = (
        np.take_along_axis(ordered, index[..., None], axis=-1)[..., 0].astype(np.float64)
        for index in (below, above)
    )
    return np.where(count > 0, low + (place - below) * (high - low), np.nan)


def _lazily(values: da.Array, kept: int, each: int, shares: np.ndarray) -> da.Array:
    """Return the quantiles in slabs of about HELD_BYTES, or at once where blocks hold all."""
    uncut = all(n == 1 for n in values.numblocks[kept:])
    shape = values.shape[:kept]
    sizes = shape if uncut else fitting(shape, each, HELD_BYTES)
    return in_slabs(values, dict(enumerate(sizes)), lambda slab: _tiled(slab, kept, each, shares))


def _tiled(slab: da.Array, kept: int, each: int, shares: np.ndarray) -> da.Array:
    tiles = fitting(slab.shape[:kept], each, TILE_BYTES)
    slab = slab.rechunk((*tiles, *(-1 for _ in slab.shape[kept:])))
    kernel: Any = sorted_quantiles
    return slab.map_blocks(
        kernel, kept, shares, dtype=np.float64,
        drop_axis=list(range(kept, slab.ndim)), new_axis=0,
        chunks=((len(shares),), *slab.chunks[:kept]),
        meta=np.empty((0,) * (kept + 1)),
    )  # fmt: skip
