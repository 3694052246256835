import cftime
import numpy as np
import pytest
import xarray as xr

from compute_tasks.errors import InvalidInput
from compute_tasks.tests import data
from compute_tasks.tests.science import cut, cut_times, line

CALENDARS = ("standard", "proleptic_gregorian", "noleap", "all_leap", "360_day", "julian")


def daily(calendar, units="days since 2000-01-01", days=800, start=0):
    times = cftime.num2date(np.arange(start, start + days), units, calendar)
    dataset = xr.Dataset({"v": ("time", np.arange(days))}, {"time": times})
    dataset.time.encoding.update(units=units, calendar=calendar)
    return dataset


@pytest.mark.parametrize("calendar", CALENDARS)
def test_a_partial_date_covers_its_whole_period(calendar):
    dataset = daily(calendar)
    month = cut_times(dataset, "2000-02", "2000-02").time.values
    days = {"noleap": 28, "360_day": 30}.get(calendar, 29)
    assert len(month) == days
    assert {(t.year, t.month) for t in month} == {(2000, 2)}
    year = cut_times(dataset, "2000", "2000").time
    assert year.size == {"noleap": 365, "360_day": 360}.get(calendar, 366)
    assert cut_times(dataset, "2000-12-30", "2001-01").time.size == {"360_day": 31}.get(
        calendar, 33
    )


def test_a_day_that_a_calendar_lacks_is_refused_by_the_name_of_the_calendar():
    assert cut_times(daily("360_day"), "2000-02-30", "2000-02-30").v.values.tolist() == [59]
    with pytest.raises(InvalidInput, match=r"'2000-02-30' does not exist in the calendar noleap"):
        cut_times(daily("noleap"), "2000-02-30", "2000-03")


def test_year_0_and_years_before_it():
    dataset = daily("noleap", "days since 0000-01-01", start=-730, days=1095)
    assert cut_times(dataset, "0", "0").time.size == 365
    assert cut_times(dataset, "-0001", "0000").time.size == 730
    with pytest.raises(InvalidInput, match="'0' does not exist in the calendar standard"):
        cut_times(daily("standard"), "0", "0")


def test_years_of_five_digits():
    dataset = daily("360_day", "days since 12345-01-01")
    assert cut_times(dataset, "12345-02", "12345-02").time.size == 30


@pytest.mark.parametrize("text", ["2000-01-02T00:00:00", "2000-01-02 00:00:00Z"])
def test_an_instant_picks_one_point_and_drops_the_axis(text):
    found = cut_times(daily("noleap"), text, text)
    assert found.v.item() == 1
    assert found.v.dims == ()


def test_an_instant_between_points_needs_a_method():
    dataset, text = daily("noleap"), "2000-01-02T18:00:00"
    with pytest.raises(InvalidInput, match=r"nearest values are 2000-01-02T00.*2000-01-03T00"):
        cut_times(dataset, text, text)
    assert cut_times(dataset, text, text, method="nearest").v.item() == 2
    assert cut_times(dataset, text, text, method="pad").v.item() == 1


def test_both_ends_are_taken_in_any_order():
    dataset = daily("standard")
    assert cut_times(dataset, "2000-01-01", "2000-01-03").time.size == 3
    assert cut_times(dataset, "2000-01-03", "2000-01-01").time.size == 3
    assert cut_times(dataset, "2000-01-01T12:00:00", "2000-01-03T00:00:00").time.size == 2
    assert cut_times(dataset, None, "2000").time.size == 366
    assert cut_times(dataset, 2001, 2001).time.size == 365


def test_bounds_follow_and_an_empty_choice_gives_the_range_in_dates():
    dataset = cut_times(data.tas(calendar="360_day"), "2000-02", "2000-03")
    assert dataset.time_bnds.shape == (2, 2)
    with pytest.raises(InvalidInput, match=r"1999 to 1999; the axis runs from 2000-01-16T"):
        cut_times(data.tas(), "1999", "1999")


@pytest.mark.parametrize(
    "text", ["soon", "2000-13", "20000101000", "2000-01-01T25", "2000-01-01+02"]
)
def test_a_text_that_is_no_time_is_refused(text):
    with pytest.raises(InvalidInput, match=r"no timestamp|does not exist in the calendar"):
        cut_times(daily("standard"), text, text)


def test_timestamps_need_an_axis_of_times():
    with pytest.raises(InvalidInput, match="no axis 'time'"):
        cut_times(line([1.0]), "2000", "2001")
    plain = xr.Dataset({"v": ("time", [1.0, 2.0])}, {"time": [0, 1]})
    with pytest.raises(InvalidInput, match="timestamps select along time axes only"):
        cut_times(plain, "2000", "2001")
    plain.time.attrs["units"] = "day as %Y%m%d.%f"
    with pytest.raises(InvalidInput, match=r"values in 'day as %Y%m%d.%f' are no dates"):
        cut_times(plain, "2000", "2001")


def test_values_on_a_time_axis_are_numbers_in_the_units_of_the_file():
    found = cut(daily("360_day"), time=(30, 31))
    assert [t.isoformat()[:10] for t in found.time.values] == ["2000-02-01", "2000-02-02"]


def test_times_without_units_are_no_numbers():
    dataset = daily("noleap")
    dataset.time.encoding.clear()
    with pytest.raises(InvalidInput, match="use crs timestamps"):
        cut(dataset, time=(0, 1))


def test_a_single_time_is_kept_inside_the_asked_period_and_refused_outside():
    point = daily("360_day").isel(time=3)
    assert cut_times(point, "2000", "2001").identical(point)
    with pytest.raises(InvalidInput, match="the only value is 2000-01-04T00:00:00"):
        cut_times(point, "2001", "2002")
