"""Days, months, seasons and years of a calendar: which one a date lies in, and where each ends.

Seasons are December to February, March to May, June to August, September to November. A winter
belongs to the year of its January.
"""

from datetime import timedelta
from enum import StrEnum

import cftime
import numpy as np

from compute_tasks.cf.times import Calendar

Key = tuple[int, int]
"""A year and which of its periods: the month 1-12, the season 0-3, 100 month + day, or 0."""
Span = tuple[cftime.datetime, cftime.datetime]


class Frequency(StrEnum):
    """A kind of period."""

    YEAR = "year"
    SEASON = "season"
    MONTH = "month"
    DAY = "day"


def keys_of(seconds: np.ndarray, frequency: Frequency, calendar: Calendar) -> np.ndarray:
    """Return the period each time lies in, as rows of a key; keys sort in order of time."""
    years, months, days = calendar.days(seconds)
    if frequency is Frequency.MONTH:
        return np.column_stack([years, months])
    if frequency is Frequency.DAY:
        return np.column_stack([years, 100 * months + days])
    if frequency is Frequency.YEAR:
        return np.column_stack([years, np.zeros_like(years)])
    winters = years + 1
    if not calendar.has_year_zero:
        winters = np.where(winters == 0, 1, winters)
    return np.column_stack([np.where(months == 12, winters, years), months // 3 % 4])


def span_of(key: Key, frequency: Frequency, calendar: Calendar) -> Span:
    """Return the first instant of a period and the first one after it."""
    year, part = key
    if frequency is Frequency.DAY:
        start = _date(calendar, year, part // 100, part % 100)
        return start, start + timedelta(days=1)
    if frequency is Frequency.MONTH:
        return _months(calendar, year, part, 1)
    if frequency is Frequency.YEAR:
        return _months(calendar, year, 1, 12)
    if part:
        return _months(calendar, year, 3 * part, 3)
    december = _preceding(year, calendar.has_year_zero)
    return _date(calendar, december, 12, 1), _date(calendar, year, 3, 1)


def _months(calendar: Calendar, year: int, month: int, count: int) -> Span:
    last = month + count
    after = (year, last) if last <= 12 else (_following(year, calendar.has_year_zero), last - 12)
    return _date(calendar, year, month, 1), _date(calendar, *after, 1)


def _date(calendar: Calendar, year: int, month: int, day: int) -> cftime.datetime:
    return calendar.date(f"{year}-{month:02d}-{day:02d}", year, month, day)


def _following(year: int, has_year_zero: bool) -> int:
    return year + 1 if has_year_zero or year != -1 else 1


def _preceding(year: int, has_year_zero: bool) -> int:
    return year - 1 if has_year_zero or year != 1 else -1
