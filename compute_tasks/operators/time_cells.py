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
from compute_tasks.cf.times import Calendar, calendar_of, is_time
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.calendar_periods import Frequency, keys_of, span_of

DAY = 86400.0
SHORTEST_MONTH, LONGEST_MONTH = 27.5 * DAY, 31.5 * DAY


@dataclass(frozen=True, slots=True)
class TimeCells:
    """The cells of the time axis `axis`, which runs along `dimension`.

    `points` are where the points lie on the calendar, `lower` and `upper` the ends of the cells,
    all in seconds; the file says them where `bounded`.
    """

    axis: str
    dimension: str
    calendar: Calendar
    points: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    bounded: bool

    def date(self, place: int) -> cftime.datetime:
        """Return the date of a point."""
        return self.calendar.dates(self.points[place])[0]

    def keys(self, frequency: Frequency) -> np.ndarray:
        """Return the period each point lies in, as rows of a key."""
        return keys_of(self.points, frequency, self.calendar)

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
    calendar = calendar_of(dataset[axis].variable)
    stamps = np.asarray(dataset[axis].values)
    bounds = _bounds(dataset, axis, stamps.size)
    if bounds is not None:
        ends = calendar.seconds(bounds)
        lower, upper = ends.min(axis=1), ends.max(axis=1)
        if (upper > lower).any():
            middles = (lower + upper) / 2
            return TimeCells(axis, dimension, calendar, middles, lower, upper, bounded=True)
    points = calendar.seconds(stamps)
    return TimeCells(axis, dimension, calendar, points, *_inferred(points, calendar), bounded=False)


def _bounds(dataset: xr.Dataset, axis: str, size: int) -> np.ndarray | None:
    name = bounds_name(dataset, axis)
    if name is None or not is_time(dataset[name].variable):
        return None
    values = np.asarray(dataset[name].values)
    return values.reshape(size, 2) if values.size == 2 * size else None


def _inferred(seconds: np.ndarray, calendar: Calendar) -> tuple[np.ndarray, np.ndarray]:
    gaps = np.diff(np.sort(seconds))
    if not gaps.size:
        return seconds, seconds.copy()
    if gaps.min() >= SHORTEST_MONTH and np.median(gaps) <= LONGEST_MONTH:
        keys = keys_of(seconds, Frequency.MONTH, calendar).tolist()
        months = [span_of((year, part), Frequency.MONTH, calendar) for year, part in keys]
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
