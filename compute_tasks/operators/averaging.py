"""Weighted averages: weights that are products of factors, missing values left out."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from compute_tasks.operators import stream_reductions, streaming


def weighted_mean(
    data: xr.DataArray, factors: Sequence[xr.DataArray], dims: Sequence[str]
) -> xr.Variable:
    """Return the mean over `dims` of values weighted by the product of the factors.

    What is missing is left out of both sums; where all is, or the weights add up to nothing, the
    mean is missing. Double precision; lazy arrays are reduced block by block.
    """
    streamed = stream_reductions.weighted_mean(data.variable, [f.variable for f in factors], dims)
    if streamed is not None:
        return streamed
    values = xr.DataArray(streaming.lazily(data.variable).astype(np.float64))
    weights = [xr.DataArray(streaming.lazily(factor.variable)) for factor in factors]
    known = values.notnull()
    whole = _sum(known.astype(np.float64), weights, dims)
    return (_sum(values.fillna(0.0), weights, dims) / whole.where(whole > 0)).variable


def _sum(
    values: xr.DataArray, factors: Sequence[xr.DataArray], dims: Sequence[str]
) -> xr.DataArray:
    """Return the sum of products one factor after the other, so that arrays shrink on the way."""
    order = values.dims
    for place, factor in enumerate(factors):
        later = {d for other in factors[place + 1 :] for d in other.dims}
        over = [d for d in factor.dims if d in dims and d not in later]
        values = xr.dot(values, factor, dim=over)
    total = values.sum([d for d in values.dims if d in dims])
    return total.transpose(*(d for d in order if d in total.dims))
