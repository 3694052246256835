"""Straight lines fitted along time by least squares, in one pass over lazy arrays."""

import numpy as np
import xarray as xr

from compute_tasks.cf.times import Calendar
from compute_tasks.operators.passes import partial_sums
from compute_tasks.operators.time_cells import DAY

YEAR_DAYS = {
    "360_day": 360.0,
    "noleap": 365.0,
    "365_day": 365.0,
    "all_leap": 366.0,
    "366_day": 366.0,
    "julian": 365.25,
}
GREGORIAN_YEAR_DAYS = 365.2425
UNITS = {"day": "day-1", "year": "year-1", "decade": "(10 year)-1"}


def step_seconds(calendar: Calendar, per: str) -> float:
    """Return the seconds of a day, a year or a decade; years are the calendar's mean ones."""
    if per == "day":
        return DAY
    years = 10 if per == "decade" else 1
    return years * DAY * YEAR_DAYS.get(calendar.name, GREGORIAN_YEAR_DAYS)


def fit(data: xr.DataArray, dimension: str, times: np.ndarray) -> tuple[xr.Variable, xr.Variable]:
    """Return the slope of the line through the values at `times`, and its value at time 0.

    Missing values are left out; with values at fewer than two times both are missing. Double
    precision.
    """
    rest = [d for d in data.dims if d != dimension]
    values = data.variable.transpose(dimension, *rest).data
    # Counting from the middle keeps the sums small, and apart from each other.
    middle = float(np.mean(times))
    time = times - middle

    def moments(block: np.ndarray, place: slice) -> np.ndarray:
        result = np.zeros((5, *block.shape[1:]))
        for row, t in zip(block, time[place], strict=True):
            known = ~np.isnan(row)
            filled = np.where(known, row, 0.0).astype(np.float64)
            result += np.stack([known, known * t, known * t * t, filled, filled * t])
        return result

    n, t, tt, y, ty = (xr.Variable(rest, part) for part in partial_sums(values, moments, (5,)))
    spread = tt - t * t / n.where(n > 1)
    slope = (ty - t * y / n.where(n > 1)) / spread.where(spread > 1e-12 * float(time @ time))
    return slope, y / n.where(n > 0) - slope * (t / n.where(n > 0) + middle)
