"""Processes that compare: a series with its mean year, and one input with another."""

import xarray as xr

from compute_tasks.cf.times import TIMESTAMP
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.anomalies import (
    anomaly_attributes,
    departures,
    difference_attributes,
)
from compute_tasks.operators.calendar_periods import Frequency
from compute_tasks.operators.mean_years import (
    ADVERBS,
    Reference,
    of_climatology,
    of_series,
)
from compute_tasks.operators.pairing import pairs
from compute_tasks.operators.parameters import COMMON
from compute_tasks.operators.statistics import check_numeric
from compute_tasks.operators.time_cells import TimeCells, time_cells, with_time_axis
from compute_tasks.operators.time_groups import check_coarseness
from compute_tasks.operators.time_means import WEIGHTS, frequency_parameter, weights_of
from compute_tasks.processes.arithmetic import subtract
from compute_tasks.registry import Parameter, catalog


def _timestamp(text: str) -> str:
    if not TIMESTAMP.fullmatch(text.strip()):
        raise ValueError("give a date, possibly without day or month, such as 1981 or 1981-01-31")
    return text.strip()


START = Parameter(
    "start",
    "Where the reference period begins, such as 1981 or 1981-03; with the series if not given.",
    parse=_timestamp,
    kind="date",
)
END = Parameter(
    "end",
    "Where the reference period ends, such as 2010 or 2010-11, which is all in it; with the series "
    "if not given.",
    parse=_timestamp,
    kind="date",
)


@catalog.process(
    "CDAT.anomaly",
    "Departure from the mean year",
    inputs=(1, 2),
    parameters=[frequency_parameter(*ADVERBS, default=Frequency.MONTH), START, END, WEIGHTS],
    common=COMMON,
    streams=True,
)
def anomaly(
    *datasets: xr.Dataset,
    freq: Frequency,
    start: str | None,
    end: str | None,
    weights: str,
) -> xr.Dataset:
    """Subtract from every value the mean of its month, season or day of the year.

    The means are those of the series itself over a reference period, as CDAT.climatology computes
    them, or a climatology given as second input on the same grid and in the same units. Units and
    precision stay; missing values stay missing, and become so where the mean is.
    """
    for dataset in datasets:
        check_numeric(dataset)
    series = with_time_axis(datasets[0])
    cells = time_cells(series)
    check_coarseness(cells, freq)
    if len(datasets) == 1:
        shares = weights_of(cells, weights)
        reference = of_series(series, cells, freq, (start, end), shares)
    else:
        _refuse_period(start=start, end=end)
        reference = of_climatology(series, with_time_axis(datasets[1]), cells, freq)
    return series.assign(
        {
            name: _departure(series[name], normal, cells, reference)
            for name, normal in reference.normals.items()
        }
    )


@catalog.process("CDAT.diff", "First input minus second", inputs=2, common=COMMON, streams=True)
def difference(first: xr.Dataset, second: xr.Dataset) -> xr.Dataset:
    """Subtract the second input from the first.

    Both inputs must have the same units and lie on the same grid; an axis the one has not is spread
    over. A value missing in either is missing. The result is named as a difference: it has no
    standard name, and temperatures are marked as differences.
    """
    result = subtract(first, second, const=None)
    for name, other in pairs(first, second).items():
        one, two = (d[n].attrs.get("long_name", n) for d, n in ((first, name), (second, other)))
        text = f"difference of {one}" if one == two else f"{one} minus {two}"
        result[name].attrs = difference_attributes(result[name], text)
    return result


def _refuse_period(**given: str | None) -> None:
    for name, text in given.items():
        if text is not None:
            raise InvalidInput(
                f"{name} is of no use with a climatology as second input; leave one of them out",
                locator=name,
            )


def _departure(
    data: xr.DataArray, normal: xr.Variable, cells: TimeCells, reference: Reference
) -> xr.Variable:
    result = departures(data, normal, cells.dimension, reference.places)
    name = data.attrs.get("long_name", data.name)
    result.attrs = anomaly_attributes(data, f"anomaly of {name} {reference.description}")
    return result
