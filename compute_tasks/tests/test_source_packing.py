"""Dates that are kept as bytes come back as they were."""

import pickle

import cftime
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.sources.packing import packed

CALENDARS = ("standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day")


def assert_kept(values: np.ndarray) -> np.ndarray:
    found = pickle.loads(packed(values))
    assert (found.shape, found.dtype) == (values.shape, values.dtype)
    for one, other in zip(found.flat, values.flat, strict=True):
        assert type(one) is type(other)
        assert repr(one) == repr(other)
    return found


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(CALENDARS),
    st.lists(st.integers(-(10**17), 10**17), min_size=1, max_size=8),
    st.sampled_from([(-1,), (-1, 2), ()]),
)
def test_dates_of_any_calendar_come_back(calendar, microseconds, shape):
    numbers = np.array(microseconds + microseconds[::-1])
    dates = np.array(cftime.num2date(numbers, "microseconds since 2000-01-01", calendar))
    assert_kept(dates[:1].reshape(()) if shape == () else dates.reshape(shape))


def test_equal_dates_become_one():
    time = cftime.num2date([0, 1, 1, 2], "days since 2000-01-01", "noleap")
    found = assert_kept(time.reshape(2, 2))
    assert found[0, 1] is found[1, 0]


@pytest.mark.parametrize(
    "values",
    [
        [cftime.datetime(2000, 2, 30, calendar="360_day")],
        [cftime.DatetimeGregorian(2000, 1, 1, has_year_zero=True)],
        [cftime.DatetimeNoLeap(2000, 1, 1), cftime.Datetime360Day(2000, 1, 1)],
        [cftime.DatetimeNoLeap(2000, 1, 1), None],
        ["a text"],
        [],
    ],
)
def test_what_is_not_told_by_its_numbers_comes_back_too(values):
    array = np.empty(len(values), object)
    array[:] = values
    assert_kept(array)
