"""The process that fits straight lines along time."""

import xarray as xr

from compute_tasks.cf.attributes import renewed
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.parameters import FILLNA, RENAME, choice
from compute_tasks.operators.reducing import reduced
from compute_tasks.operators.statistics import check_numeric
from compute_tasks.operators.time_cells import time_cells, with_time_axis
from compute_tasks.operators.trends import UNITS, fit, step_seconds
from compute_tasks.registry import Parameter, catalog

PER = Parameter(
    "per",
    "The time the slope is for: day, year (the default) or decade. A year is the mean year of the "
    "calendar, such as 360 days or 365.2425.",
    parse=choice(*UNITS),
    kind="choice",
    default="year",
    choices=tuple(UNITS),
)


@catalog.process("CDAT.trend", "Linear trend", parameters=[PER], common=(FILLNA, RENAME))
def trend(dataset: xr.Dataset, *, per: str) -> xr.Dataset:
    """Fit a straight line along time to each series of values, by least squares.

    The result holds for a variable tas its slope `tas_trend`, in units such as `K year-1`, and
    `tas_intercept`, the line's value at the first time, in the units of tas. Times may be unevenly
    spaced, and all count the same. Missing values are left out; with values at fewer than two
    times both results are missing. Double precision.
    """
    check_numeric(dataset)
    dataset = with_time_axis(dataset)
    cells = time_cells(dataset)
    times = (cells.points - cells.points[0]) / step_seconds(cells.calendar, per)
    variables: dict[str, xr.Variable] = {}
    for name, data in dataset.data_vars.items():
        if cells.dimension in data.dims:
            slope, intercept = fit(data, cells.dimension, times)
            what, unit = data.attrs.get("long_name", name), data.attrs.get("units")
            rate = None if unit is None else UNITS[per] if unit == "1" else f"{unit} {UNITS[per]}"
            slope.attrs = renewed(data.attrs, f"linear trend of {what}", rate)
            text = f"linear trend of {what}: value at {cells.date(0).isoformat()}"
            intercept.attrs = renewed(data.attrs, text, unit)
            variables |= {f"{name}_trend": slope, f"{name}_intercept": intercept}
    if not variables:
        raise InvalidInput("no variable has a time axis", locator="variable")
    others = {n: v.variable for n, v in dataset.data_vars.items() if cells.dimension not in v.dims}
    return reduced(dataset, {**others, **variables}, [cells.dimension])
