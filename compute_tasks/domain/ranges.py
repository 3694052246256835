"""An asked range on one axis: both as numbers, and the positions that lie in it.

Comparing numbers makes it irrelevant whether an axis ascends, descends or is unsorted. Only the
coordinate is read.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.cf.axes import is_longitude
from compute_tasks.cf.grids import tolerance
from compute_tasks.cf.times import (
    SECONDS_TOLERANCE,
    Calendar,
    Period,
    calendar_of,
    is_time,
    numbers,
    parse_period,
)
from compute_tasks.domain import longitudes
from compute_tasks.errors import InvalidInput
from compute_tasks.model import CRS, Dimension

METHODS = ("nearest", "pad", "backfill")
LOCATOR = "domain"


@dataclass(frozen=True, slots=True)
class Range:
    """A one-dimensional or single-valued coordinate and the range asked on it.

    `values`, `low`, `high` (inclusive) and `point` (set when exactly one point is asked) are in
    seconds for timestamps, else in the units of the coordinate. `circular` marks longitudes.
    """

    name: str
    variable: xr.Variable
    asked: Dimension
    values: np.ndarray
    low: float
    high: float
    point: float | None
    tolerance: float
    circular: bool = False

    @property
    def span(self) -> str:
        """The asked range in the words of the request."""
        ends = (self.asked.start, self.asked.end)
        return " to ".join("the end" if end is None else str(end) for end in ends)

    def at(self, position: int) -> str:
        """Return the coordinate at a position as text: a date for timestamps, else with units."""
        if self.asked.crs == CRS.TIMESTAMPS:
            return str(self.variable.values.reshape(-1)[position].isoformat())
        units = self.variable.encoding.get("units") or self.variable.attrs.get("units", "")
        return f"{self.values[position]:.10g} {units}".strip()

    def away(self, point: float) -> np.ndarray:
        """Return how far each value lies above a point; the short way round for longitudes."""
        return longitudes.distances(self.values, point) if self.circular else self.values - point


def refusal(name: str, text: str) -> InvalidInput:
    """Return the error for a selection along the axis `name` that cannot be made."""
    return InvalidInput(f"axis {name!r}: {text}", locator=LOCATOR)


def number(name: str, value: object) -> float:
    """Return an end of a range as a finite number, or raise InvalidInput."""
    try:
        result = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        result = np.nan
    if not np.isfinite(result):
        raise refusal(name, f"{value!r} is no number")
    return result


def asked_range(dataset: xr.Dataset, name: str, dimension: Dimension) -> Range:
    """Return the range `dimension` asks on the axis `name`, for values and timestamps."""
    if name not in dataset.coords:
        size = dataset.sizes[name]
        raise refusal(name, f"it has no coordinate values; use crs indices, 0 to {size - 1}")
    variable = dataset[name].variable
    if variable.ndim > 1:
        dims = " and ".join(map(str, variable.dims))
        raise refusal(name, f"it varies along {dims}; select these with crs indices")
    if not variable.size:
        raise refusal(name, "it has no points")
    try:
        if dimension.crs == CRS.TIMESTAMPS:
            return _of_timestamps(name, variable, dimension)
        return _of_values(name, variable, dimension, is_longitude(dataset, name))
    except ValueError as error:
        raise refusal(name, str(error)) from error


def inside(asked: Range) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions in the range, and what to add to the coordinate at each.

    Raises InvalidInput naming the available range if there are none.
    """
    if asked.circular:
        ends = asked.low + asked.tolerance, asked.high - asked.tolerance
        positions, shifts = longitudes.place(asked.values, *ends, asked.tolerance)
        if asked.variable.dims == (asked.name,):
            columns = positions, shifts, asked.tolerance
            positions, shifts = longitudes.as_columns(asked.values, *columns)
    else:
        positions = np.flatnonzero((asked.values >= asked.low) & (asked.values <= asked.high))
        shifts = np.zeros(positions.size)
    if not positions.size:
        raise refusal(asked.name, _nothing(asked))
    return positions, shifts


def nearest(asked: Range, point: float, method: str | None) -> tuple[int, float]:
    """Return the position meant by one value, and what to add to its coordinate.

    Without a method the value must be there; else InvalidInput names the nearest ones.
    """
    away = asked.away(point)
    allowed = {
        None: np.abs(away) <= asked.tolerance,
        "nearest": np.isfinite(away),
        "pad": away <= asked.tolerance,
        "backfill": away >= -asked.tolerance,
    }
    if method not in allowed:
        choices = ", ".join(METHODS)
        raise InvalidInput(f"unknown method {method!r}; use one of {choices}", locator="method")
    if not allowed[method].any():
        raise refusal(
            asked.name,
            f"no point lies at {asked.asked.start}{f' by {method}' if method else ''}; "
            f"{_neighbours(asked, point)}",
        )
    position = int(np.argmin(np.where(allowed[method], np.abs(away), np.inf)))
    if not asked.circular:
        return position, 0.0
    turns = (point + away[position] - asked.values[position]) / longitudes.CIRCLE
    return position, longitudes.CIRCLE * round(turns)


def _of_timestamps(name: str, variable: xr.Variable, dimension: Dimension) -> Range:
    if not is_time(variable):
        raise ValueError(_no_dates(variable))
    calendar = calendar_of(variable)
    start = _period(dimension.start, calendar)
    end = _period(dimension.end, calendar)
    if start.lower > end.upper:
        start, end = end, start
    point = start.exact if start == end else None
    values = np.atleast_1d(calendar.seconds(variable.values))
    slack = 0.0 if point is None else SECONDS_TOLERANCE
    return Range(name, variable, dimension, values, start.lower, end.upper, point, slack)


def _no_dates(variable: xr.Variable) -> str:
    units = variable.attrs.get("units")
    told = f"its values in {units!r} are no dates" if units else "its values have no units"
    return f"timestamps select along time axes only, and {told}; use crs values or indices"


def _of_values(name: str, variable: xr.Variable, dimension: Dimension, circular: bool) -> Range:
    values = np.atleast_1d(numbers(variable))
    start = -np.inf if dimension.start is None else number(name, dimension.start)
    end = np.inf if dimension.end is None else number(name, dimension.end)
    circular = circular and bool(np.isfinite([start, end]).all())
    if end < start:
        start, end = longitudes.unwind(start, end) if circular else (end, start)
    slack = tolerance(values, variable.dtype)
    return Range(
        name=name,
        variable=variable,
        asked=dimension,
        values=values,
        low=start - slack,
        high=end + slack,
        point=start if start == end else None,
        tolerance=slack,
        circular=circular,
    )


def _period(text: object, calendar: Calendar) -> Period:
    if text is None:
        return Period(-np.inf, np.inf)
    return parse_period(str(text), calendar)


def _nothing(asked: Range) -> str:
    text = f"nothing lies in {asked.span}"
    low, high = int(np.nanargmin(asked.values)), int(np.nanargmax(asked.values))
    if low == high:
        return f"{text}; the only value is {asked.at(low)}"
    text = f"{text}; the axis runs from {asked.at(low)} to {asked.at(high)}"
    if asked.values[low] < asked.low and asked.high < asked.values[high]:
        return f"{text}, and {_neighbours(asked, (asked.low + asked.high) / 2)}"
    return text


def _neighbours(asked: Range, point: float) -> str:
    closest = np.argsort(np.abs(asked.away(point)), kind="stable")[:2]
    return f"the nearest values are {' and '.join(asked.at(int(i)) for i in np.sort(closest))}"
