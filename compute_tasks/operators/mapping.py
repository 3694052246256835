"""Applying numpy functions to every point, lazily, with points that cannot be computed missing."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.operators import streaming

Function = Callable[..., Any]


def pointwise(
    function: Function, attributes: Mapping[str, Any], *operands: xr.DataArray
) -> xr.Variable:
    """Return the function of every point of arrays on the same axes, with the given attributes.

    Whole numbers are computed in double precision. Where the result is infinite or undefined (the
    logarithm of a negative number, a division by zero, an overflow) it is missing.
    """
    variables = [_real(operand.variable) for operand in operands]
    whole = partial(_finite, function)
    streamed = streaming.pointwise(whole, variables)
    if streamed is not None:
        return xr.Variable(streamed.dims, streamed.data, attributes)
    result = xr.apply_ufunc(
        whole,
        *map(streaming.lazily, variables),
        dask="parallelized",
        output_dtypes=[np.result_type(*(variable.dtype for variable in variables))],
    )
    return xr.Variable(result.dims, result.data, attributes)


def _finite(function: Function, *blocks: Any) -> Any:
    with np.errstate(all="ignore"):
        result = function(*blocks)
    return np.where(np.isfinite(result), result, np.asarray(np.nan, result.dtype))


def _real(variable: xr.Variable) -> xr.Variable:
    return variable if variable.dtype.kind == "f" else variable.astype(np.float64)
