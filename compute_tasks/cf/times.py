"""Times on the calendars of climate files: reading texts such as `1990-02`, and axes as numbers.

Points in time are cftime objects; for comparing they become seconds on their own calendar, so that
every CF calendar, year 0 and years of more than four digits work alike.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import cftime
import numpy as np
import xarray as xr

from compute_tasks.cf.instants import days_of, microseconds

# Decoding a float time is exact to microseconds at best.
SECONDS_TOLERANCE = 1e-3
EPOCH = "seconds since 0001-01-01"
TIMESTAMP = re.compile(
    r"(?P<year>[+-]?\d{1,6})"
    r"(?:-(?P<month>\d{1,2})"
    r"(?:-(?P<day>\d{1,2})"
    r"(?:[T ](?P<hour>\d{1,2})"
    r"(?::(?P<minute>\d{2})"
    r"(?::(?P<second>\d{2})(?:\.(?P<fraction>\d{1,6})\d*)?"
    r")?)?)?)?)?Z?"
)


@dataclass(frozen=True, slots=True)
class Calendar:
    """A CF calendar and whether it counts a year 0."""

    name: str
    has_year_zero: bool

    def date(self, text: str, *parts: int) -> cftime.datetime:
        """Return the date of year, month, day, ...; ValueError if the calendar has none such."""
        if parts[0] == 0 and not self.has_year_zero:
            raise ValueError(f"{text!r} does not exist in the calendar {self.name}: no year 0")
        try:
            return cftime.datetime(*parts, calendar=self.name, has_year_zero=self.has_year_zero)
        except ValueError as error:
            raise ValueError(f"{text!r} does not exist in the calendar {self.name}") from error

    def seconds(self, dates: np.ndarray | Sequence[cftime.datetime]) -> np.ndarray:
        """Return dates as float seconds since year 1 of the calendar, in the same shape."""
        return self._microseconds(dates) / 1e6

    def dates(self, seconds: np.ndarray) -> np.ndarray:
        """Return the dates of such seconds."""
        found = cftime.num2date(
            np.atleast_1d(seconds), EPOCH, calendar=self.name, has_year_zero=self.has_year_zero
        )
        return np.asarray(found, dtype=object)

    def days(self, seconds: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the year, the month and the day of the month in which such seconds lie."""
        moments = np.rint(np.asarray(seconds) * 1e6).astype(np.int64)
        return days_of(moments, self.name, self.has_year_zero)

    def counted(self, dates: np.ndarray, units: str) -> np.ndarray:
        """Return dates as float64 numbers in units such as `days since 1850-01-01`."""
        ends = cftime.num2date([0, 1], units, calendar=self.name, has_year_zero=self.has_year_zero)
        begin, after = self._microseconds(ends)
        whole, rest = np.divmod(self._microseconds(dates) - begin, after - begin)
        return np.asarray(whole + rest / (after - begin), np.float64)

    def _microseconds(self, dates: np.ndarray | Sequence[cftime.datetime]) -> np.ndarray:
        array = np.asarray(dates, dtype=object)
        return microseconds(array.flat, self.name, self.has_year_zero).reshape(array.shape)


@dataclass(frozen=True, slots=True)
class Period:
    """The time a text covers, in seconds, both ends inclusive; an instant has `exact` set."""

    lower: float
    upper: float
    exact: float | None = None


def is_time(variable: xr.Variable) -> bool:
    """Say whether a coordinate holds decoded times."""
    if variable.dtype != object or not variable.size:
        return False
    return isinstance(_first(variable), cftime.datetime)


def calendar_of(variable: xr.Variable) -> Calendar:
    """Return the calendar of a coordinate that holds decoded times."""
    first = _first(variable)
    return Calendar(first.calendar, first.has_year_zero)


def _first(variable: xr.Variable) -> Any:
    """Return the first value; all are read only if they are in memory."""
    values = variable if variable.chunks is None else variable[(0,) * variable.ndim]
    return values.values.item(0)


def numbers(variable: xr.Variable) -> np.ndarray:
    """Return a coordinate as float64 numbers; times are counted in the units of their file.

    Raises ValueError if it holds texts, or times of which the file's units are not known.
    """
    if is_time(variable):
        units = variable.encoding.get("units")
        if not units:
            raise ValueError("the times have no units to count in; use crs timestamps")
        return counted(variable, units)
    if variable.dtype.kind not in "iufb":
        raise ValueError("it holds no numbers; use crs indices")
    return np.asarray(variable.values, dtype=np.float64)


def counted(variable: xr.Variable, units: str) -> np.ndarray:
    """Return decoded times as float64 numbers in units such as `days since 1850-01-01`."""
    return calendar_of(variable).counted(variable.values, units)


def parse_period(text: str, calendar: Calendar) -> Period:
    """Return what an ISO 8601 text, possibly partial, covers on a calendar.

    `1990` is the whole year, `1990-02-03T12` the whole hour; a text with seconds is an instant.
    Raises ValueError naming the text and the calendar if it is no date there.
    """
    match = TIMESTAMP.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"{text!r} is no timestamp; write year-month-day and hour:minute:second as in "
            "'1990-02-03T12:30:00', leaving out what is not needed from the right"
        )
    given = {key: int(value) for key, value in match.groupdict().items() if value is not None}
    fraction = int((match["fraction"] or "").ljust(6, "0"))
    parts = [given.get(key, 1) for key in ("year", "month", "day")]
    parts += [given.get(key, 0) for key in ("hour", "minute", "second")]
    start = calendar.date(text, *parts, fraction)
    lower = float(calendar.seconds([start])[0])
    if "second" in given:
        return Period(lower - SECONDS_TOLERANCE, lower + SECONDS_TOLERANCE, exact=lower)
    upper = float(calendar.seconds([_next(start, given, calendar, text)])[0])
    return Period(lower - SECONDS_TOLERANCE, upper - 2 * SECONDS_TOLERANCE)


def _next(
    start: cftime.datetime, given: dict[str, int], calendar: Calendar, text: str
) -> cftime.datetime:
    """Return where the period that begins at `start` ends."""
    if "minute" in given:
        return start + timedelta(minutes=1)
    if "hour" in given:
        return start + timedelta(hours=1)
    if "day" in given:
        return start + timedelta(days=1)
    if "month" in given and start.month < 12:
        return calendar.date(text, start.year, start.month + 1, 1)
    year = start.year + 1
    return calendar.date(text, year or (0 if calendar.has_year_zero else 1), 1, 1)
