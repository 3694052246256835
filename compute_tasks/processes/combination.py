"""Processes that put several inputs together."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from compute_tasks.cf.attributes import combined
from compute_tasks.cf.grids import match
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.concatenation import concatenate, source_name
from compute_tasks.operators.parameters import FILLNA, RENAME, choice
from compute_tasks.registry import Parameter, catalog

CHOICES = ("no_conflicts", "override")
COMPAT = Parameter(
    "compat",
    "What happens to a variable several inputs hold: no_conflicts (default) refuses values that "
    "differ and fills missing ones, override takes the first.",
    parse=choice(*CHOICES),
    kind="choice",
    default="no_conflicts",
    choices=CHOICES,
)


@catalog.process(
    "CDAT.aggregate",
    "Join files along time",
    inputs=(2, None),
    common=(FILLNA, RENAME),
    combines=True,
    streams=True,
)
def aggregate(*datasets: xr.Dataset) -> xr.Dataset:
    """Join two or more pieces of one variable in order of time, or of the axis they differ on.

    The pieces may be given in any order and count time in different units; calendars, units of the
    variable and all other axes must agree, and no point may come twice. Attributes are those of the
    first piece, and the domain of the operation applies to the result.
    """
    return concatenate(datasets)


@catalog.process(
    "CDAT.merge",
    "Put variables together",
    inputs=(2, None),
    parameters=[COMPAT],
    combines=True,
)
def merge(*datasets: xr.Dataset, compat: str) -> xr.Dataset:
    """Put the variables of two or more inputs into one dataset, with their units as they are.

    Axes the inputs share must have the same points. The domain of the operation applies to the
    result.
    """
    labels = [source_name(dataset, place) for place, dataset in enumerate(datasets)]
    result = datasets[0]
    for dataset, label in zip(datasets[1:], labels[1:], strict=True):
        if compat == "no_conflicts":
            _check_scalars(result, dataset, labels[0], label)
        matched = match(result, dataset, labels[0], label, locator="variable")
        result = _merged(result, matched, fill=compat == "no_conflicts")
    return result.assign_attrs(combined(datasets))


def _merged(first: xr.Dataset, other: xr.Dataset, *, fill: bool) -> xr.Dataset:
    result = first.assign_coords({n: c for n, c in other.coords.items() if n not in first.coords})
    for name, data in other.data_vars.items():
        if name not in first.data_vars:
            result[name] = data.variable
        elif fill:
            result[name] = _filled(first[name], data).variable
    return result


def _check_scalars(first: xr.Dataset, other: xr.Dataset, one: str, two: str) -> None:
    for name in _scalars(first, other):
        a, b = first[name].values, other[name].values
        if a.dtype.kind in "iufOSU" and a != b:
            raise InvalidInput(
                f"{name} is {a} in {one} and {b} in {two}; compat=override takes the first",
                locator="compat",
            )


def _scalars(first: xr.Dataset, other: xr.Dataset) -> Sequence[str]:
    shared = [str(name) for name in first.coords if name in other.coords]
    return [n for n in shared if not first[n].ndim and not other[n].ndim]


def _filled(first: xr.DataArray, other: xr.DataArray) -> xr.DataArray:
    """Return the first array with its gaps filled; computing it fails where the two differ."""
    if set(first.dims) != set(other.dims):
        raise InvalidInput(
            f"{first.name} has the axes {', '.join(map(str, first.dims))} in one input and "
            f"{', '.join(map(str, other.dims))} in another",
            locator="variable",
        )

    def fill(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        differing = ~(np.isnan(a) | np.isnan(b) | (a == b))
        if differing.any():
            raise InvalidInput(
                f"the inputs hold different values of {first.name}, such as "
                f"{a[differing][0]} and {b[differing][0]}; compat=override takes the first",
                locator="compat",
            )
        return np.where(np.isnan(a), b, a)

    return xr.apply_ufunc(
        fill,
        first,
        other.transpose(*first.dims).reset_coords(drop=True),
        dask="parallelized",
        output_dtypes=[np.result_type(first.dtype, other.dtype)],
        join="override",
        keep_attrs="override",
    )
