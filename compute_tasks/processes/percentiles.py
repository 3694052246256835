"""The process that finds percentiles."""

import xarray as xr

from compute_tasks.cf import cell_methods
from compute_tasks.cf.attributes import computed
from compute_tasks.cf.axes import data_dimensions
from compute_tasks.operators.parameters import AXES, COMMON, numbers
from compute_tasks.operators.percentiles import percentiles
from compute_tasks.operators.reducing import asked_dimensions, reduced
from compute_tasks.operators.statistics import check_numeric
from compute_tasks.registry import Parameter, catalog

MEDIAN = 50.0


def _shares(text: str) -> tuple[float, ...]:
    values = numbers(text)
    if outside := [v for v in values if not 0 <= v <= 100]:
        raise ValueError(f"{outside[0]:g} is no percentile; give numbers from 0 to 100")
    if len(set(values)) < len(values):
        raise ValueError("give each percentile once")
    return values


Q = Parameter(
    "q",
    "Percentiles, numbers from 0 to 100 joined by |, such as 5|50|95.",
    parse=_shares,
    kind="numbers",
    required=True,
)


@catalog.process("CDAT.percentile", "Percentiles", parameters=[Q, AXES], common=COMMON)
def percentile(
    dataset: xr.Dataset, *, q: tuple[float, ...], axes: tuple[str, ...] | None
) -> xr.Dataset:
    """Find the values below which q percent of the values lie, over the given axes or all of them.

    Between two values it is interpolated linearly, as numpy does. Every point counts the same,
    missing values are left out. Units stay; the result is in double precision and has an axis
    `percentile`, a single value for a single q.
    """
    check_numeric(dataset)
    dims = asked_dimensions(dataset, axes) if axes else data_dimensions(dataset)
    found = {name: _found(dataset, v, q, dims) for name, v in dataset.data_vars.items()}
    label = " and ".join(cell_methods.axis_label(dataset, d) for d in dims)
    attributes = {"long_name": f"percentile over {label}", "units": "%"}
    axis = xr.Variable("percentile", list(q), attributes)
    result = reduced(dataset, found, dims).assign_coords(percentile=axis)
    return result.squeeze("percentile") if len(q) == 1 else result


def _found(
    dataset: xr.Dataset, data: xr.DataArray, q: tuple[float, ...], dims: tuple[str, ...]
) -> xr.Variable:
    own = [d for d in dims if d in data.dims]
    if not own:
        return data.variable
    result = percentiles(data, own, q)
    result.attrs = computed(data.attrs)
    labels = [cell_methods.axis_label(dataset, d) for d in own]
    if set(labels) - {"time"}:
        result.attrs.pop("cell_measures", None)
    # The conventions name the median only, among percentiles.
    if q == (MEDIAN,):
        given = data.attrs.get("cell_methods")
        result.attrs["cell_methods"] = cell_methods.appended(given, labels, "median")
    else:
        shares = ", ".join(f"{share:g}" for share in q)
        name = data.attrs.get("long_name", data.name)
        result.attrs["long_name"] = f"percentile {shares} of {name} over {' and '.join(labels)}"
    return result
