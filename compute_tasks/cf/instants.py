"""Dates of any calendar as whole microseconds and back, many at a time.

The calendar library turns one date after the other into a number. Here it does so once for each
half of a month; within those every calendar counts days one by one, also where ten were left out
in October 1582.
"""

from collections.abc import Iterable
from operator import attrgetter

import cftime
import numpy as np

EPOCH_DAYS = "days since 0001-01-01"
MID_MONTH = 15
"""A day that every month has, after all that a calendar leaves out of one."""
FIELDS = ("year", "month", "day", "hour", "minute", "second", "microsecond")
DAY = 86_400_000_000
YEARS = 2000
"""Years over which the length of one is averaged."""


def microseconds(
    dates: Iterable[cftime.datetime], calendar: str, has_year_zero: bool
) -> np.ndarray:
    """Return dates of one calendar as int64 microseconds since the start of its year 1."""
    year, month, day, hour, minute, second, micro = fields(dates).T
    if not year.size:
        return year
    late = day >= MID_MONTH
    halves, places = np.unique((year * 12 + month - 1) * 2 + late, return_inverse=True)
    begins = _begins(halves, calendar, has_year_zero)[places]
    days = day - np.where(late, MID_MONTH, 1)
    return begins + (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + micro


def fields(dates: Iterable[cftime.datetime]) -> np.ndarray:
    """Return dates as int64 rows of FIELDS."""
    return np.fromiter(map(attrgetter(*FIELDS), dates), dtype=(np.int64, len(FIELDS)))


def days_of(
    moments: np.ndarray, calendar: str, has_year_zero: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the year, the month and the day in which each of such microseconds lies."""
    if not moments.size:
        return moments, moments, moments
    year_one, later = _begins(np.array([24, 24 * (YEARS + 1)]), calendar, has_year_zero)
    around = np.unique(moments // ((later - year_one) // YEARS)) + 1
    # The first of January moves by days over thousands of years, and year 0 may not exist.
    years = np.unique(np.add.outer(around, np.arange(-2, 3)))
    ends = [int(moments.min()) // DAY, int(moments.max()) // DAY]
    dates = cftime.num2date(ends, EPOCH_DAYS, calendar=calendar, has_year_zero=has_year_zero)
    held = (years >= dates[0].year) & (years <= dates[1].year)
    years = years[held & (has_year_zero | (years != 0))]
    halves = np.add.outer(24 * years, np.arange(24)).ravel()
    begins = _begins(halves, calendar, has_year_zero)
    places = np.searchsorted(begins, moments, side="right") - 1
    found = halves[places]
    day = (moments - begins[places]) // DAY + np.where(found % 2, MID_MONTH, 1)
    return found // 24, found // 2 % 12 + 1, day


def _begins(halves: np.ndarray, calendar: str, has_year_zero: bool) -> np.ndarray:
    """Return the first microsecond of halves of months, which are counted from year 0."""
    firsts = [
        cftime.datetime(
            half // 24,
            half // 2 % 12 + 1,
            MID_MONTH if half % 2 else 1,
            calendar=calendar,
            has_year_zero=has_year_zero,
        )
        for half in halves.tolist()
    ]
    days = cftime.date2num(firsts, EPOCH_DAYS, calendar=calendar, has_year_zero=has_year_zero)
    return np.asarray(days, np.int64) * DAY
