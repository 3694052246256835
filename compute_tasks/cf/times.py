"""Times on the calendars of climate files: reading texts such as `1990-02`, and axes as numbers.

Points in time are cftime objects; for comparing they become seconds on their own calendar, so that
every CF calendar, year 0 and years of more than four digits work alike.
"""

import re
from dataclasses import dataclass
from datetime import timedelta

import cftime
import numpy as np
import xarray as xr

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

    def seconds(self, dates: object) -> np.ndarray:
        """Return dates as float seconds that grow by one calendar's own count."""
        numbers = cftime.date2num(
            dates, EPOCH, calendar=self.name, has_year_zero=self.has_year_zero
        )
        return np.asarray(numbers, dtype=np.float64)


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
    return isinstance(variable[(0,) * variable.ndim].values.item(), cftime.datetime)


def calendar_of(variable: xr.Variable) -> Calendar:
    """Return the calendar of a coordinate that holds decoded times."""
    first = variable[(0,) * variable.ndim].values.item()
    return Calendar(first.calendar, first.has_year_zero)


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
    calendar = calendar_of(variable)
    found = cftime.date2num(
        variable.values, units, calendar=calendar.name, has_year_zero=calendar.has_year_zero
    )
    return np.asarray(found, dtype=np.float64)


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
    lower = float(calendar.seconds(start))
    if "second" in given:
        return Period(lower - SECONDS_TOLERANCE, lower + SECONDS_TOLERANCE, exact=lower)
    upper = float(calendar.seconds(_next(start, given, calendar, text)))
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
