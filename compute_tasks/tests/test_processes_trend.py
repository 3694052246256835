import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute_tasks.errors import InvalidInput
from compute_tasks.tests import data
from compute_tasks.tests.science import no_compute, run

NAN = np.nan


def series(values, calendar="360_day"):
    """Return a monthly series of up to two years: on this calendar each month is 1/12 year."""
    time = data.times([2001, 2002], calendar).isel(time=slice(len(values)))
    return time.assign(v=("time", np.array(values, float), {"units": "K", "long_name": "heat"}))


@pytest.mark.parametrize(("per", "slope"), [("year", 6.0), ("decade", 60.0), ("day", 6 / 360)])
def test_half_a_kelvin_a_month_is_six_a_year(per, slope):
    result = run("trend", series(280 + np.arange(24) / 2), per=per)
    assert float(result.v_trend) == pytest.approx(slope)
    assert float(result.v_intercept) == pytest.approx(280)


def test_the_line_of_least_squares_through_three_points():
    # Deviations of time -1, 0, 1 months; sum of products 3, of squares 2.
    result = run("trend", series([1, 5, 4]))
    assert float(result.v_trend) == pytest.approx(12 * 1.5)
    assert float(result.v_intercept) == pytest.approx(10 / 3 - 1.5)


def test_slope_and_intercept_say_what_they_are():
    result = run("trend", series([1, 2]), per="decade")
    assert result.v_trend.attrs["units"] == "K (10 year)-1"
    assert result.v_trend.attrs["long_name"] == "linear trend of heat"
    assert result.v_intercept.attrs["units"] == "K"
    text = "linear trend of heat: value at 2001-01-16T00:00:00"
    assert result.v_intercept.attrs["long_name"] == text
    assert run("trend", series([1, 2])).v_trend.attrs["units"] == "K year-1"
    assert "standard_name" not in run("trend", data.tas()).tas_trend.attrs


def test_a_year_is_that_of_the_calendar():
    for calendar, days in [("noleap", 365), ("standard", 365.2425), ("julian", 365.25)]:
        dataset = data.times([2001], calendar, "day").isel(time=slice(9))
        result = run("trend", dataset.assign(v=("time", np.arange(9.0))))
        assert float(result.v_trend) == pytest.approx(days)


def test_missing_values_are_left_out():
    values = 280 + np.arange(24) / 2
    values[[0, 5, 23]] = NAN
    result = run("trend", series(values))
    assert float(result.v_trend) == pytest.approx(6)
    assert float(result.v_intercept) == pytest.approx(280)


@pytest.mark.parametrize("values", [[NAN, NAN], [1, NAN, NAN], [NAN, NAN, 5], [7]])
def test_fewer_than_two_values_have_no_trend(values):
    result = run("trend", series(values))
    assert np.isnan(result.v_trend)
    assert np.isnan(result.v_intercept)


def test_data_without_time_have_no_trend():
    with pytest.raises(InvalidInput, match="no axis 'time'"):
        run("trend", data.sftlf())


def test_fitting_stays_lazy():
    dataset = data.tas().assign(tas=data.tas().tas.chunk(time=5, lat=2))
    with dask.config.set(scheduler=no_compute):
        result = run("trend", dataset)
    xr.testing.assert_allclose(result, run("trend", data.tas()))


@settings(deadline=None, max_examples=30)
@given(
    hnp.arrays(
        "float64",
        st.integers(2, 24),
        elements=st.one_of(st.just(NAN), st.integers(-1000, 1000).map(float)),
    ),
    st.integers(1, 5),
)
def test_trends_are_those_of_numpy(values, chunk):
    known = ~np.isnan(values)
    result = run("trend", series(values).chunk(time=chunk))
    if known.sum() < 2:
        assert np.isnan(result.v_trend)
        return
    slope, intercept = np.polyfit(np.arange(len(values))[known] / 12, values[known], 1)
    np.testing.assert_allclose(result.v_trend, slope, atol=1e-6)
    np.testing.assert_allclose(result.v_intercept, intercept, atol=1e-6)
