"""Statistics over axes: what each one computes and what it does to units and attributes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.cf import attributes, cell_methods, units
from compute_tasks.cf.axes import data_dimensions, find_dimensions
from compute_tasks.errors import InvalidInput
from compute_tasks.operators import stream_reductions, streaming
from compute_tasks.operators.grouping import Grouped
from compute_tasks.operators.reducing import check_dimensions, reduced

Compute = Callable[[xr.DataArray, Sequence[str]], xr.DataArray]


@dataclass(frozen=True, slots=True)
class Statistic:
    """One way to reduce axes.

    `method` is its name in cell_methods, or None where CF has none; `exponent` is the power of the
    units of the result, 0 for a pure number.
    """

    compute: Compute
    method: str | None
    exponent: int = 1


def _double(data: xr.DataArray) -> xr.DataArray:
    return data.astype(np.float64)


def _count(data: xr.DataArray, dims: Sequence[str]) -> xr.DataArray:
    return data.notnull().sum(dims, dtype=_count_type(data, dims))


def _count_type(data: xr.DataArray, dims: Sequence[str]) -> np.dtype:
    cells = int(np.prod([data.sizes[d] for d in dims]))
    return np.dtype(np.int32 if cells <= np.iinfo(np.int32).max else np.int64)


STATISTICS = {
    "mean": Statistic(lambda data, dims: _double(data).mean(dims, skipna=True), "mean"),
    "max": Statistic(lambda data, dims: data.max(dims, skipna=True), "maximum"),
    "min": Statistic(lambda data, dims: data.min(dims, skipna=True), "minimum"),
    "sum": Statistic(lambda data, dims: _double(data).sum(dims, skipna=True, min_count=1), "sum"),
    "std": Statistic(
        lambda data, dims: _double(data).std(dims, skipna=True, ddof=0), "standard_deviation"
    ),
    "var": Statistic(
        lambda data, dims: _double(data).var(dims, skipna=True, ddof=0), "variance", exponent=2
    ),
    "count": Statistic(_count, None, exponent=0),
}


def reduce(data: xr.Dataset | Grouped, name: str, axes: Sequence[str] = ()) -> xr.Dataset:
    """Return the named statistic of every variable over `axes`, over all of its axes if none.

    Missing values are left out; where all are missing so is the result (counts are 0). Of grouped
    data the binned axes are reduced as well, and only they if `axes` is empty. Raises InvalidInput
    with locator `axes` for an unknown axis.
    """
    if isinstance(data, Grouped):
        over = find_dimensions(data.dataset, axes, locator="axes")
        streamed = _streamed_bins(data, name, data.reduced_dimensions(over))
        if streamed is not None:
            return streamed
        return data.reduce(lambda part, dims: _reduce(part, name, dims), over)
    over = find_dimensions(data, axes, locator="axes") or data_dimensions(data)
    return _reduce(data, name, over)


def _streamed_bins(data: Grouped, name: str, dims: Sequence[str]) -> xr.Dataset | None:
    """Return the statistic of each bin of an axis if all variables are fields along it."""
    labels = data.labels()
    if labels is None:
        return None
    variables = {}
    for key, variable in data.dataset.data_vars.items():
        own = [d for d in dims if d in variable.dims]
        bins = stream_reductions.Bins(data.dimensions[0], labels, len(data.edges) - 1)
        found = stream_reductions.statistic(variable.variable, name, own, bins)
        if found is None or variable.dtype.kind != "f":
            return None
        variables[key] = _described(
            data.dataset, variable, name, own, _counted(found, name, variable, own)
        )
    return data.along_bins(reduced(data.dataset, variables, dims))


def check_numeric(dataset: xr.Dataset) -> None:
    """Raise InvalidInput if a data variable holds no numbers."""
    for name, variable in dataset.data_vars.items():
        if variable.dtype.kind not in "iufb":
            raise InvalidInput(f"variable {name!r} holds no numbers", locator="variable")


def _reduce(dataset: xr.Dataset, statistic: str, dims: Sequence[str]) -> xr.Dataset:
    check_numeric(dataset)
    check_dimensions(dataset, dims)
    variables = {
        name: _of_variable(dataset, variable, statistic, dims)
        for name, variable in dataset.data_vars.items()
    }
    return reduced(dataset, variables, dims)


def _computed(data: xr.DataArray, name: str, dims: Sequence[str]) -> xr.Variable:
    streamed = stream_reductions.statistic(data.variable, name, dims)
    if streamed is None:
        lazy = xr.DataArray(streaming.lazily(data.variable), name=data.name)
        return STATISTICS[name].compute(lazy, dims).variable
    return _counted(streamed, name, data, dims)


def _counted(
    result: xr.Variable, name: str, data: xr.DataArray, dims: Sequence[str]
) -> xr.Variable:
    """Return a result with counts in the type that holds them."""
    return result.astype(_count_type(data, dims)) if name == "count" else result


def _of_variable(
    dataset: xr.Dataset, data: xr.DataArray, name: str, dims: Sequence[str]
) -> xr.Variable:
    statistic = STATISTICS[name]
    own = [d for d in dims if d in data.dims]
    if not own and statistic.method:
        return data.variable
    return _described(dataset, data, name, own, _computed(data, name, own))


def _described(
    dataset: xr.Dataset, data: xr.DataArray, name: str, own: Sequence[str], result: xr.Variable
) -> xr.Variable:
    """Return the statistic of a variable over its own dimensions with its attributes."""
    statistic = STATISTICS[name]
    if statistic.method is None:
        long_name = f"number of values of {data.attrs.get('long_name', data.name)}"
        result.attrs = attributes.renewed(data.attrs, long_name, "1")
        result.attrs.pop("cell_measures", None)
        return result
    result.attrs = attributes.computed(data.attrs)
    labels = [cell_methods.axis_label(dataset, d) for d in own]
    if set(labels) - {"time"}:
        result.attrs.pop("cell_measures", None)
    given = data.attrs.get("cell_methods")
    result.attrs["cell_methods"] = cell_methods.appended(given, labels, statistic.method)
    if statistic.exponent != 1 and "units" in data.attrs:
        result.attrs["units"] = units.power(data.attrs["units"], statistic.exponent)
    return result
