"""Dates as numbers: what the calendar library says, for every calendar."""

import cftime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.cf.times import Calendar

CALENDARS = (
    ("standard", False),
    ("proleptic_gregorian", True),
    ("julian", False),
    ("noleap", True),
    ("all_leap", True),
    ("360_day", True),
)
UNITS = ("days", "hours", "minutes", "seconds")


@settings(deadline=None)
@given(
    st.sampled_from(CALENDARS),
    st.lists(st.integers(-700_000, 1_200_000), min_size=1, max_size=20),
    st.integers(0, 86_399_999_999),
    st.sampled_from(UNITS),
)
def test_dates_are_counted_as_the_calendar_library_counts_them(calendar, days, micro, unit):
    name, has_year_zero = calendar
    options = {"calendar": name, "has_year_zero": has_year_zero}
    midnights = cftime.num2date(days, "days since 2000-01-01", **options)
    dates = np.array([date.replace(
        hour=micro // 3_600_000_000,
        minute=micro // 60_000_000 % 60,
        second=micro // 1_000_000 % 60,
        microsecond=micro % 1_000_000,
    ) for date in midnights])  # fmt: skip
    units = f"{unit} since 1850-01-01 12:00"
    found = Calendar(name, has_year_zero).counted(dates, units)
    expected = cftime.date2num(dates, units, **options)
    np.testing.assert_allclose(found, np.asarray(expected, np.float64), rtol=1e-15, atol=0)
    whole = Calendar(name, has_year_zero).counted(midnights, "days since 2000-01-01")
    assert whole.tolist() == days


def test_the_days_that_the_standard_calendar_leaves_out_are_not_counted():
    dates = [cftime.datetime(1582, 10, day, calendar="standard") for day in (4, 15)]
    assert np.diff(Calendar("standard", False).seconds(dates)).tolist() == [86400.0]


def test_months_are_counted_where_all_are_of_one_length():
    dates = cftime.num2date([0, 1, 2.5], "months since 1850-01-01", calendar="360_day")
    calendar = Calendar("360_day", True)
    assert calendar.counted(dates, "months since 1850-01-01").tolist() == [0, 1, 2.5]


@pytest.mark.parametrize("shape", [(0,), (0, 2), (3, 2), ()])
def test_numbers_have_the_shape_of_their_dates(shape):
    dates = np.full(shape, cftime.datetime(2000, 2, 29, calendar="standard"))
    assert Calendar("standard", False).seconds(dates).shape == shape


@settings(deadline=None)
@given(
    st.sampled_from(CALENDARS),
    st.lists(st.integers(-760_000, 1_200_000), min_size=1, max_size=20),
    st.floats(0, 86_399),
)
def test_days_of_times_are_those_of_their_dates(calendar, days, second):
    name, has_year_zero = calendar
    ours = Calendar(name, has_year_zero)
    seconds = np.array(days) * 86_400.0 + second
    dates = ours.dates(seconds)
    found = np.column_stack(ours.days(seconds)).tolist()
    assert found == [[date.year, date.month, date.day] for date in dates]


def test_no_times_have_no_days():
    assert [part.size for part in Calendar("noleap", True).days(np.empty(0))] == [0, 0, 0]
