"""Making a computed dataset fit to be written as CF: fill values, time units, types, references.

What a source's file said about packing, chunks and fill values no longer holds for a result, so all
of it is dropped but the units and calendar of times.
"""

from collections.abc import Hashable
from typing import Any

import numpy as np
import xarray as xr
from xarray.conventions import cf_encoder

from compute_tasks.cf.axes import data_dimensions
from compute_tasks.cf.times import calendar_of, counted, is_time
from compute_tasks.engine.field import Field
from compute_tasks.outputs.netcdf import is_deferred
from compute_tasks.outputs.references import REFERENCES, auxiliary, references, settle

FILL = 1e20
TIME_UNITS = "days since 1850-01-01"
STALE = (
    "_FillValue",
    "missing_value",
    "scale_factor",
    "add_offset",
    "valid_min",
    "valid_max",
    "valid_range",
    "actual_range",
    "_Unsigned",
    "coordinates",
    "geometry",
    *REFERENCES,
)


def encode(dataset: xr.Dataset) -> tuple[dict[Hashable, xr.Variable], dict[str, Any]]:
    """Return variables as they are stored (times as numbers, missing as fill) and attributes.

    Axes come first, data variables last. Coordinates must be in memory; data variables stay lazy,
    and what is deferred keeps NaN for missing. Float data get one `_FillValue` of their type,
    coordinates none.
    """
    dataset = settle(dataset)
    axes = [name for name in data_dimensions(dataset) if name in dataset.coords]
    names = dict.fromkeys((*axes, *dataset.coords, *dataset.data_vars))
    plain = {name: _plain(dataset.variables[name]) for name in names}
    for name, variable in plain.items():
        variable.attrs.update(references(dataset, name))
    for name in dataset.data_vars:
        if plain[name].dtype.kind == "f":
            # What is deferred is filled when it is written.
            said = plain[name].attrs if is_deferred(plain[name]) else plain[name].encoding
            said["_FillValue"] = plain[name].dtype.type(FILL)
        if described_by := auxiliary(dataset, name):
            plain[name].attrs["coordinates"] = " ".join(described_by)
    attributes = {k: v for k, v in dataset.attrs.items() if k != "external_variables"}
    return cf_encoder(plain, attributes)


def _plain(variable: xr.Variable) -> xr.Variable:
    """Return the variable with only those attributes and encodings that hold for a result."""
    data = variable.data
    if isinstance(data, Field) and not data.ndim:
        data = np.asarray(data)
    if data.dtype == np.float16:
        data = data.astype(np.float32)
    attrs = {k: v for k, v in variable.attrs.items() if k not in STALE}
    encoding: dict[str, Any] = {"_FillValue": None} if data.dtype.kind == "f" else {}
    if is_time(variable):
        # xarray has no months and years, which cftime counts on calendars where they are even.
        units = variable.encoding.get("units", TIME_UNITS)
        attrs |= {"units": units, "calendar": calendar_of(variable).name}
        return xr.Variable(variable.dims, counted(variable, units), attrs, {"_FillValue": None})
    return xr.Variable(variable.dims, data, attrs, encoding)
