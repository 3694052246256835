"""Processes that average over months, seasons, years and days of the calendar."""

import xarray as xr

from compute_tasks.operators.calendar_periods import Frequency
from compute_tasks.operators.parameters import FILLNA, RENAME
from compute_tasks.operators.time_cells import time_cells, with_time_axis
from compute_tasks.operators.time_groups import across_years, occurrences, one_each
from compute_tasks.operators.time_means import (
    DROP,
    INCOMPLETE,
    WEIGHTS,
    dated,
    frequency_parameter,
    means,
    method_of,
    points_of_complete,
    weights_of,
)
from compute_tasks.registry import catalog


@catalog.process(
    "CDAT.temporal_mean",
    "Means of months, seasons, years or days",
    parameters=[frequency_parameter(*Frequency), WEIGHTS, INCOMPLETE],
    common=(FILLNA, RENAME),
    streams=True,
)
def temporal_mean(
    dataset: xr.Dataset, *, freq: Frequency, weights: str, incomplete: str
) -> xr.Dataset:
    """Average over each month, season, year or day of a series, one value for each of them.

    Missing values are left out. A time belongs to the period its bounds have their middle in, or to
    that of the time itself if it has none. Each mean is dated at the middle of its period, with the
    period as bounds; a period the input lacks a part of is bounded by what there is. Units stay;
    the result is in double precision.
    """
    return _averaged(dataset, freq, weights, incomplete, climatology=False)


@catalog.process(
    "CDAT.climatology",
    "Mean year",
    parameters=[
        frequency_parameter(
            Frequency.MONTH, Frequency.SEASON, Frequency.DAY, default=Frequency.MONTH
        ),
        WEIGHTS,
        INCOMPLETE,
    ],
    common=(FILLNA, RENAME),
    streams=True,
)
def climatology(
    dataset: xr.Dataset, *, freq: Frequency, weights: str, incomplete: str
) -> xr.Dataset:
    """Average each month, season or day of the year over all years of the series.

    Missing values are left out; a leap day is the mean of leap days. The time axis has climatology
    bounds, from the first start of the period to its last end, and is dated in the first year that
    has all periods. A time belongs to the period its bounds have their middle in, or to that of the
    time itself if it has none. Units stay; the result is in double precision.
    """
    return _averaged(dataset, freq, weights, incomplete, climatology=True)


def _averaged(
    dataset: xr.Dataset, freq: Frequency, weights: str, incomplete: str, *, climatology: bool
) -> xr.Dataset:
    dataset = with_time_axis(dataset)
    cells = time_cells(dataset)
    found = occurrences(cells, freq)
    if incomplete == DROP and not found.complete.all():
        dataset = dataset.isel({cells.dimension: points_of_complete(found, freq)})
        cells = time_cells(dataset)
        found = occurrences(cells, freq)
    groups = (across_years if climatology else one_each)(found, cells)
    method = method_of(dataset, cells, weights, climatology=climatology)
    result = means(dataset, cells, groups, weights_of(cells, weights), method)
    return dated(result, dataset, cells, groups, climatology=climatology)
