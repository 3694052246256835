"""From an undecoded dataset to the one processes work on: one variable, its coordinates, decoded.

Only what belongs to the variable by the CF conventions is kept, so that trouble elsewhere in a file
does no harm. Missing values become NaN, packing is undone, times are cftime objects.
"""

import logging
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.errors import InvalidInput, SourceError, TooLarge

logger = logging.getLogger(__name__)

RELATED = (
    "ancillary_variables",
    "bounds",
    "cell_measures",
    "climatology",
    "coordinates",
    "formula_terms",
    "grid_mapping",
)
"""Attributes that name other variables of the file."""
HORIZONTAL_NAMES = frozenset({"latitude", "longitude"})
HORIZONTAL_UNITS = frozenset({"degrees_north", "degrees_east", "degree_north", "degree_east"})
FILLS = ("_FillValue", "missing_value")
AXIS_BYTES = 2**29
"""Bytes one axis may have; axes are read whole when a file is opened."""
STORAGE = ("source", "original_shape", "preferred_chunks")
"""Encodings that speak of the file read; they are of no use for a result and may hold a path."""


def related(variables: Mapping[str, xr.Variable], name: str, uri: str) -> set[str]:
    """Return the names of the variable and of what belongs to it.

    Raises SourceError, listing the data variables, if there is no such variable, and InvalidInput
    for one that is an axis or text, TooLarge for one with an axis above AXIS_BYTES.
    """
    if name not in variables:
        message = f"{uri} has no variable {name!r}; its data variables are: {_listed(variables)}"
        raise SourceError(message, locator="variable")
    _check_computable(name, variables, uri)
    names = _closure(variables, name)
    for key in names:
        if variables[key].dims == (key,) and variables[key].nbytes > AXIS_BYTES:
            raise large_axis(uri, key)
    return names


def large_axis(uri: str, name: str) -> TooLarge:
    """Return the error for an axis that is too long to be read whole, as axes are."""
    message = f"{uri}: axis {name!r} has more than the {AXIS_BYTES} bytes an axis may have"
    return TooLarge(message, locator="variable")


def keep(raw: xr.Dataset, name: str, uri: str) -> xr.Dataset:
    """Return a dataset of only the variable and what belongs to it; errors as `related`."""
    variables = {str(key): variable for key, variable in raw.variables.items()}
    names = related(variables, name, uri)
    kept = raw.drop_vars([key for key in raw.variables if key not in names])
    return kept.reset_coords(name) if name in kept.coords else kept


def data_variables(variables: Mapping[str, xr.Variable]) -> list[str]:
    """Return the names of variables that are neither axes nor belong to another variable."""
    helpers = {other for variable in variables.values() for other in _named_by(variable, variables)}
    dims = {str(dim) for variable in variables.values() for dim in variable.dims}
    return sorted(variables.keys() - helpers - dims)


def decode(kept: xr.Dataset, name: str, uri: str) -> xr.Dataset:
    """Return the kept variables decoded, the named one as the only data variable.

    A time axis that cannot be decoded stays as numbers with its units, and the log says so.
    """
    prepared = kept.copy()
    missing_references = {key: _prepare(prepared, str(key)) for key in kept.variables}
    _share_time_units(prepared)
    decoded = _decode_times(prepared, name, uri)
    for key, attributes in missing_references.items():
        decoded[key].attrs.update(attributes)
    for variable in decoded.variables.values():
        _clean_encoding(variable)
    decoded = decoded.set_coords([key for key in decoded.data_vars if key != name])
    decoded = decoded.reset_coords(name) if name in decoded.coords else decoded
    decoded.encoding = {"source": uri}
    return decoded


def _listed(variables: Mapping[str, xr.Variable]) -> str:
    return ", ".join(data_variables(variables)) or "none"


def _check_computable(name: str, variables: Mapping[str, xr.Variable], uri: str) -> None:
    variable, what = variables[name], ""
    if variable.dims == (name,):
        what = "is an axis, not data"
    elif variable.dtype.kind not in "iufb":
        what = "holds text, not numbers"
    elif not _is_distinct(variable):
        what = "has one dimension twice"
    elif empty := [str(d) for d, size in variable.sizes.items() if not size]:
        what = f"has no values, its axis {empty[0]} has no points"
    if what:
        have = _listed(variables)
        message = f"variable {name!r} of {uri} {what}; the data variables are: {have}"
        raise InvalidInput(message, locator="variable")


def _named_by(variable: xr.Variable, variables: Mapping[str, xr.Variable]) -> set[str]:
    texts = " ".join(str(variable.attrs.get(attribute, "")) for attribute in RELATED)
    return {word for word in texts.replace(":", " ").split() if word in variables}


def _closure(variables: Mapping[str, xr.Variable], name: str) -> set[str]:
    dims = {str(dim) for dim in variables[name].dims}
    found = {name} | {key for key, variable in variables.items() if _is_grid(variable, dims)}
    todo = list(found)
    while todo:
        variable = variables[todo.pop()]
        related = _named_by(variable, variables) | {str(d) for d in variable.dims if d in variables}
        related = {key for key in related - found if _is_distinct(variables[key])}
        found |= related
        todo += related
    return found


def _is_grid(variable: xr.Variable, dims: set[str]) -> bool:
    """Tell a latitude or longitude on some of the dimensions, which not every file refers to."""
    attributes = variable.attrs
    return (
        variable.ndim > 0
        and set(map(str, variable.dims)) <= dims
        and _is_distinct(variable)
        and (
            attributes.get("standard_name") in HORIZONTAL_NAMES
            or attributes.get("units") in HORIZONTAL_UNITS
        )
    )


def _is_distinct(variable: xr.Variable) -> bool:
    return len(set(variable.dims)) == variable.ndim


def _prepare(dataset: xr.Dataset, name: str) -> dict[str, Any]:
    """Make the attributes fit for decoding; return those whose variables are in other files."""
    variable = dataset[name].variable
    attributes = dict(variable.attrs)
    for key in FILLS:
        if key in attributes:
            fill = as_fill(attributes.pop(key), variable.dtype)
            attributes |= {} if fill is None else {key: fill}
    for key in RELATED:
        if key in attributes:
            attributes[key] = str(attributes[key])
    absent = {
        key: attributes.pop(key)
        for key in ("cell_measures", "formula_terms", "grid_mapping", "ancillary_variables")
        if key in attributes and not _all_present(attributes[key], dataset)
    }
    for key in ("bounds", "climatology"):
        if key in attributes and attributes[key] not in dataset.variables:
            del attributes[key]
    dataset[name].attrs = attributes
    return absent


def _all_present(text: str, dataset: xr.Dataset) -> bool:
    words = text.replace(" :", ":").split()
    names = [word for word in words if not word.endswith(":")] or [w.strip(":") for w in words]
    return all(word in dataset.variables for word in names)


def as_fill(value: Any, dtype: np.dtype) -> Any:
    """Return a fill value in the variable's dtype, several as an array.

    Files give them as other types or as text; a 32-bit 1e20 does not equal a 64-bit one. None if
    the value cannot be one of the variable.
    """
    if dtype.kind not in "iuf":
        return value
    try:
        numbers = np.atleast_1d(np.asarray(value))
        numbers = numbers.astype("float64") if numbers.dtype.kind in "SUOf" else numbers
    except (ValueError, TypeError):
        return None
    if dtype.kind != "f" and numbers.dtype.kind == "f" and not _whole(numbers):
        return None
    # Conversion wraps: a signed number may stand for the unsigned one of the same bits.
    converted = numbers.astype(dtype)
    return converted[0] if converted.size == 1 else converted


def _whole(numbers: np.ndarray) -> bool:
    return bool(np.all(np.abs(numbers) < 2**63) and np.all(numbers == np.trunc(numbers)))


def _share_time_units(dataset: xr.Dataset) -> None:
    """Give climatology bounds the units of their axis, as xarray does for ordinary bounds."""
    for variable in dataset.variables.values():
        edges = variable.attrs.get("climatology")
        if edges in dataset.variables and "since" in str(variable.attrs.get("units", "")):
            for key in ("units", "calendar"):
                if key in variable.attrs:
                    dataset[edges].attrs.setdefault(key, variable.attrs[key])


def _decode_times(dataset: xr.Dataset, name: str, uri: str) -> xr.Dataset:
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    times = [str(key) for key in dataset.variables if _is_time(dataset[key].attrs)]
    undecodable = {key for key in times if not _decodes(dataset, key, coder)}
    if undecodable:
        units = ", ".join(f"{key} in {dataset[key].attrs['units']!r}" for key in undecodable)
        logger.warning("times of %s left as numbers: %s", uri, units)
    edges = {
        str(dataset[key].attrs[kind])
        for key in undecodable
        for kind in ("bounds", "climatology")
        if kind in dataset[key].attrs
    }
    plain = undecodable | edges | {name}
    decode = {str(key): False if key in plain else coder for key in dataset.variables}
    return xr.decode_cf(dataset, decode_coords="all", decode_times=decode, decode_timedelta=False)


def _is_time(attributes: Mapping[str, Any]) -> bool:
    return " since " in str(attributes.get("units", ""))


def _decodes(dataset: xr.Dataset, name: str, coder: xr.coders.CFDatetimeCoder) -> bool:
    try:
        coder.decode(dataset[name].variable, name).load()
    except (ValueError, OverflowError, TypeError, KeyError):
        return False
    return True


def _clean_encoding(variable: xr.Variable) -> None:
    encoding = variable.encoding
    for key in STORAGE:
        encoding.pop(key, None)
    fills: Iterable[Any] = [encoding[key] for key in FILLS if key in encoding]
    # Writing allows one value for both; the decoded data no longer tell them apart.
    if len({np.atleast_1d(fill).tobytes() for fill in fills}) > 1:
        del encoding["missing_value"]
