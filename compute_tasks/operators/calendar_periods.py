"""Days, months, seasons and years of a calendar: which one a date lies in, and where each ends.

Seasons are December to February, March to May, June to August, September to November. A winter
belongs to the year of its January.
"""

from datetime import timedelta
from enum import StrEnum

import cftime

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


def key_of(date: cftime.datetime, frequency: Frequency) -> Key:
    """Return the period a date lies in; keys sort in order of time."""
    if frequency is Frequency.MONTH:
        return date.year, date.month
    if frequency is Frequency.DAY:
        return date.year, 100 * date.month + date.day
    if frequency is Frequency.YEAR:
        return date.year, 0
    if date.month < 12:
        return date.year, date.month // 3
    return _following(date.year, date.has_year_zero), 0


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
