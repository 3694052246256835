"""Departures of a series from a mean year."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from compute_tasks.cf.attributes import renewed
from compute_tasks.operators import streaming
from compute_tasks.operators.passes import HELD_BYTES, read_again

if TYPE_CHECKING:
    import dask.array as da
else:
    from compute_tasks.operators import dask_arrays as da

ANOMALIES = frozenset(
    {"air_pressure", "air_temperature", "geopotential_height", "surface_temperature"}
)
"""Standard names for which CF has one of the anomaly."""
TEMPERATURES = frozenset({"K", "degC", "degree_Celsius", "degrees_Celsius", "celsius", "Celsius"})


def departures(
    data: xr.DataArray, normals: xr.Variable, dimension: str, places: np.ndarray
) -> xr.Variable:
    """Return data minus the normal of each time, in the precision of the data (at least single).

    `places` says for each point of the dimension which point of `normals` it is compared with. The
    arrays may be lazy; of large data only a few blocks are in memory at a time.
    """
    dims = tuple(data.dims)
    first = (dimension, *(d for d in dims if d != dimension))
    kind = data.dtype if data.dtype.kind == "f" else np.dtype(np.float64)
    if streaming.is_field(data):
        matched = normals.transpose(*dims).isel({dimension: places})
        streamed = streaming.pointwise(partial(_less, kind=kind), [data.variable, matched])
        if streamed is not None:
            return streamed
    values = streaming.lazily(data.variable).transpose(*first).data
    means = streaming.lazily(normals).transpose(*first).data
    if isinstance(values, da.Array) and isinstance(means, da.Array) and values.nbytes > HELD_BYTES:
        values = read_again(values, means)
    result = _subtracted(values, means, places, kind)
    return xr.Variable(first, result).transpose(*dims)


def difference_attributes(data: xr.DataArray, long_name: str) -> dict[str, Any]:
    """Return attributes for differences of a quantity: no standard name, since it is another one.

    Temperatures are marked as differences, lest converting them adds the zero of a scale.
    """
    unit = data.attrs.get("units")
    result = renewed(data.attrs, long_name, unit)
    return result | ({"units_metadata": "temperature: difference"} if unit in TEMPERATURES else {})


def anomaly_attributes(data: xr.DataArray, long_name: str) -> dict[str, Any]:
    """Return attributes for anomalies, with the standard name where CF has one for them."""
    result = difference_attributes(data, long_name)
    if (standard_name := data.attrs.get("standard_name")) in ANOMALIES:
        result["standard_name"] = f"{standard_name}_anomaly"
    if methods := data.attrs.get("cell_methods"):
        result["cell_methods"] = methods
    return result


def _less(values: np.ndarray, means: np.ndarray, kind: np.dtype) -> np.ndarray:
    # Numpy subtracts faster where it need not convert meanwhile.
    result = values.astype(np.result_type(values, means))
    result -= means
    return result.astype(kind, copy=False)


def _subtracted(values: Any, means: Any, places: np.ndarray, kind: np.dtype) -> Any:
    def subtract(block: np.ndarray, chosen: np.ndarray, normals: np.ndarray) -> np.ndarray:
        return _less(block, normals[chosen], kind)

    if not isinstance(values, da.Array) and not isinstance(means, da.Array):
        return subtract(values, places, means)
    lazy = da.asarray(values)
    along = da.from_array(places, chunks=(lazy.chunks[0],))
    whole = da.asarray(means).rechunk((-1, *lazy.chunks[1:]))
    rest = tuple(range(2, lazy.ndim + 1))
    return da.blockwise(
        subtract, (0, *rest), lazy, (0, *rest), along, (0,), whole, (1, *rest),
        dtype=kind, concatenate=True, meta=np.empty((0,) * lazy.ndim, kind),
    )  # fmt: skip
