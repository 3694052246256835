"""The stretch of time each point of a time axis stands for: its bounds, or what they must be.

Points of monthly data without bounds stand for their calendar month, others reach half way to their
neighbours. A point belongs to the month, season, ... in which the middle of its bounds lies, since
files stamp the month of January also with the first of February; without bounds the stamp decides.
"""

from dataclasses import dataclass

import cftime
import numpy as np
import xarray as xr

from compute_tasks.cf.axes import bounds_name, find_axis, find_dimension
from compute_tasks.cf.times import EPOCH, Calendar, calendar_of, is_time
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.calendar_periods import Frequency, key_of, span_of

DAY = 86400.0
SHORTEST_MONTH, LONGEST_MONTH = 27.5 * DAY, 31.5 * DAY


@dataclass(frozen=True, slots=True)
class TimeCells:
    """The cells of the time axis `axis`, which runs along `dimension`.

    `dates` place the points on the calendar; `lower` and `upper` are the ends of the cells in
    seconds, taken from the file where `bounded`.
    """

    axis: str
    dimension: str
    calendar: Calendar
    dates: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    bounded: bool

    @property
    def lengths(self) -> np.ndarray:
        """The lengths of the cells in days; ones where no length is known."""
        days = (self.upper - self.lower) / DAY
        return days if days.any() else np.ones(days.shape)


def with_time_axis(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with its time as an axis, also when that is a single value.

    Raises InvalidInput if it has no time axis or one that holds no dates.
    """
    axis = find_axis(dataset, "time")
    if axis not in dataset.coords or not is_time(dataset[axis].variable):
        raise InvalidInput(f"the axis {axis!r} holds no dates to group by", locator="variable")
    return dataset if dataset[axis].ndim else dataset.expand_dims(axis)


def time_cells(dataset: xr.Dataset) -> TimeCells:
    """Return the cells of the dataset's time axis; it must have one (see `with_time_axis`)."""
    axis, dimension = find_axis(dataset, "time"), find_dimension(dataset, "time")
    stamps = np.asarray(dataset[axis].values)
    calendar = calendar_of(dataset[axis].variable)
    bounds = _bounds(dataset, axis, stamps.size)
    if bounds is None:
        lower, upper = _inferred(stamps, calendar)
        return TimeCells(axis, dimension, calendar, stamps, lower, upper, bounded=False)
    ends = calendar.seconds(bounds)
    lower, upper = ends.min(axis=1), ends.max(axis=1)
    if (upper <= lower).all():
        lower, upper = _inferred(stamps, calendar)
        return TimeCells(axis, dimension, calendar, stamps, lower, upper, bounded=False)
    dates = dates_of((lower + upper) / 2, calendar)
    return TimeCells(axis, dimension, calendar, dates, lower, upper, bounded=True)


def dates_of(seconds: np.ndarray, calendar: Calendar) -> np.ndarray:
    """Return seconds of a calendar as dates."""
    dates = cftime.num2date(
        seconds, EPOCH, calendar=calendar.name, has_year_zero=calendar.has_year_zero
    )
    return np.atleast_1d(np.asarray(dates, dtype=object))


def _bounds(dataset: xr.Dataset, axis: str, size: int) -> np.ndarray | None:
    name = bounds_name(dataset, axis)
    if name is None or not is_time(dataset[name].variable):
        return None
    values = np.asarray(dataset[name].values)
    return values.reshape(size, 2) if values.size == 2 * size else None


def _inferred(stamps: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, np.ndarray]:
    seconds = calendar.seconds(stamps)
    gaps = np.diff(np.sort(seconds))
    if not gaps.size:
        return seconds, seconds.copy()
    if gaps.min() >= SHORTEST_MONTH and np.median(gaps) <= LONGEST_MONTH:
        months = [span_of(key_of(date, Frequency.MONTH), Frequency.MONTH, calendar)
                  for date in stamps]  # fmt: skip
        return calendar.seconds([m[0] for m in months]), calendar.seconds([m[1] for m in months])
    return _half_way(seconds, gaps)


def _half_way(seconds: np.ndarray, gaps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cells that reach half way to the neighbours, but not into holes of the axis."""
    order = np.argsort(seconds, kind="stable")
    usual = np.median(gaps)
    sides = np.minimum(np.concatenate([[usual], gaps, [usual]]), usual) / 2
    lower, upper = seconds.copy(), seconds.copy()
    lower[order] -= sides[:-1]
    upper[order] += sides[1:]
    return lower, upper
