import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.errors import InvalidInput
from compute_tasks.outputs.encoding import encode
from compute_tasks.tests import data
from compute_tasks.tests.science import cut_times, no_compute, run

NAN = np.nan
CALENDARS = ["standard", "noleap", "360_day", "julian"]


def series(values, **options):
    """Return a monthly series at one place: 24 values from January 2001 on."""
    time = data.times([2001, 2002], **options)
    return time.assign(v=("time", np.array(values, float), {"units": "K", "long_name": "heat"}))


def iso(dates):
    return [date.strftime("%Y-%m-%d") for date in np.ravel(dates)]


def lazy(dataset):
    return dataset.assign(tas=dataset.tas.chunk(time=7, lat=4))


def test_seasons_count_months_by_their_days_and_begin_in_december():
    result = run("temporal_mean", series(np.arange(24)), freq="season")
    # December 11 (31 days), January 12 (31), February 13 (28).
    assert float(result.v[4]) == pytest.approx((31 * 11 + 31 * 12 + 28 * 13) / 90)
    assert iso(result.time_bnds[4]) == ["2001-12-01", "2002-03-01"]
    assert iso(result.time[4:5]) == ["2002-01-15"]
    assert result.v.attrs["cell_methods"] == "time: mean"


def test_all_months_count_the_same_if_asked():
    result = run("temporal_mean", series(np.arange(24)), freq="season", weights="none").v
    assert float(result[4]) == 12
    assert result.attrs["cell_methods"] == "time: mean (all values count the same)"


def test_incomplete_seasons_are_kept_with_their_bounds_or_dropped():
    kept = run("temporal_mean", series(np.arange(24)), freq="season")
    assert kept.sizes["time"] == 9
    assert iso(kept.time_bnds[0]) == ["2001-01-01", "2001-03-01"]
    assert float(kept.v[-1]) == 23
    whole = run("temporal_mean", series(np.arange(24)), freq="season", incomplete="drop")
    np.testing.assert_array_equal(whole.v, kept.v[1:-1])


def test_a_series_of_no_complete_period_is_refused_when_dropping():
    part = cut_times(series(np.arange(24)), "2001-01", "2001-05")
    with pytest.raises(InvalidInput, match="covers no year from start to end") as caught:
        run("temporal_mean", part, freq="year", incomplete="drop")
    assert caught.value.locator == "incomplete"


@pytest.mark.parametrize("calendar", CALENDARS)
def test_months_of_days_on_any_calendar(calendar):
    daily = data.tas(calendar=calendar, years=[2000], frequency="day")
    result = run("temporal_mean", lazy(daily), freq="month")
    february = [d.month == 2 for d in daily.time.values]
    assert result.sizes["time"] == 12
    np.testing.assert_allclose(result.tas[1], daily.tas.values[february].astype(float).mean(axis=0))
    assert iso(result.time_bnds[1]) == ["2000-02-01", "2000-03-01"]


def test_years_before_the_first_exist_on_calendars_that_have_them():
    result = run("temporal_mean", data.tas(calendar="360_day", years=[0, 1]), freq="season")
    assert [d.year for d in result.time.values] == [0, 0, 0, 0, 1, 1, 1, 1, 1]


def test_missing_values_are_left_out_of_a_mean():
    values = np.arange(24.0)
    values[0:2], values[2:5] = [NAN, 7], NAN
    result = run("temporal_mean", series(values), freq="season").v
    assert float(result[0]) == 7
    assert np.isnan(result[1])


def test_bounds_decide_where_stamps_lie_in_the_next_month():
    dataset = series(np.arange(24))
    late = dataset.assign_coords(time=dataset.time_bnds.values[:, 1])
    late.time.encoding["bounds"] = "time_bnds"
    late.time.attrs["axis"] = "T"
    result = run("temporal_mean", late, freq="month")
    np.testing.assert_array_equal(result.v, np.arange(24))
    assert iso(result.time_bnds[0]) == ["2001-01-01", "2001-02-01"]


def test_months_are_known_without_bounds():
    bare = series(np.arange(24)).drop_vars("time_bnds")
    bare.time.encoding.pop("bounds")
    expected = run("temporal_mean", series(np.arange(24)), freq="year")
    result = run("temporal_mean", bare, freq="year", incomplete="drop")
    np.testing.assert_allclose(result.v, expected.v)


def test_a_single_time_is_its_own_mean():
    for one in (series(np.arange(24)).isel(time=[3]), series(np.arange(24)).isel(time=3)):
        result = run("temporal_mean", one, freq="month")
        assert result.v.values.tolist() == [3]
        assert iso(result.time_bnds) == ["2001-04-01", "2001-05-01"]


def test_periods_finer_than_the_data_are_refused():
    with pytest.raises(InvalidInput, match="stands for 31 days, which is more than a day"):
        run("temporal_mean", series(np.arange(24)), freq="day")


def test_other_variables_pass_and_others_are_refused():
    both = data.tas().assign(sftlf=data.sftlf().sftlf)
    result = run("temporal_mean", both, freq="year")
    xr.testing.assert_identical(result.sftlf.variable, both.sftlf.variable)
    with pytest.raises(InvalidInput, match="no axis 'time'"):
        run("temporal_mean", data.sftlf(), freq="year")


def test_the_mean_year_averages_months_of_all_years():
    result = run("climatology", series(np.arange(24)))
    np.testing.assert_allclose(result.v, np.arange(12) + 6)
    assert result.time.encoding["climatology"] == "climatology_bnds"
    assert "bounds" not in result.time.encoding
    assert iso(result.climatology_bnds[1]) == ["2001-02-01", "2002-03-01"]
    assert iso(result.time[:2]) == ["2001-01-16", "2001-02-15"]
    method = "time: mean within years time: mean over years"
    assert result.v.attrs["cell_methods"] == method


def test_climatology_bounds_are_written_as_cf_asks():
    variables, _ = encode(run("climatology", series(np.arange(24))))
    assert variables["time"].attrs["climatology"] == "climatology_bnds"
    assert "bounds" not in variables["time"].attrs
    assert "climatology_bnds" in variables
    assert variables["climatology_bnds"].values[0].tolist() == [151 * 365, 152 * 365 + 31]


def test_a_leap_day_is_the_mean_of_leap_days():
    daily = data.tas(calendar="standard", years=[2003, 2004, 2005], frequency="day")
    result = run("climatology", lazy(daily), freq="day")
    assert result.sizes["time"] == 366
    place = [i for i, d in enumerate(daily.time.values) if (d.month, d.day) == (2, 29)]
    np.testing.assert_array_equal(result.tas[59], daily.tas[place[0]])
    assert iso(result.time[59:60]) == ["2004-02-29"]


def test_winters_of_a_climatology_are_dated_in_a_year_that_has_all_seasons():
    result = run("climatology", series(np.arange(24)), freq="season")
    assert iso(result.time) == ["2001-01-15", "2001-04-16", "2001-07-17", "2001-10-16"]
    assert iso(result.climatology_bnds[0]) == ["2000-12-01", "2003-03-01"]
    whole = run("climatology", series(np.arange(24)), freq="season", incomplete="drop")
    assert float(whole.v[0]) == pytest.approx((31 * 11 + 31 * 12 + 28 * 13) / 90)


def test_anomalies_of_a_repeating_year_are_zero():
    result = run("anomaly", series(np.tile(np.arange(12), 2)))
    np.testing.assert_allclose(result.v, 0, atol=1e-13)
    np.testing.assert_array_equal(run("anomaly", series(np.arange(24))).v, np.repeat([-6, 6], 12))


def test_anomalies_against_a_period_and_against_a_climatology_agree():
    dataset = series(np.arange(24) ** 2)
    result = run("anomaly", dataset, start="2001", end="2001-12").v
    np.testing.assert_array_equal(result[:12], 0)
    assert float(result[12]) == 144
    first = cut_times(dataset, "2001", "2001")
    np.testing.assert_array_equal(run("anomaly", dataset, run("climatology", first)).v, result)
    assert result.attrs["long_name"] == (
        "anomaly of heat against the monthly means from 2001-01-16 to 2001-12-16"
    )


def test_anomalies_are_named_as_cf_names_them():
    result = run("anomaly", lazy(data.tas())).tas
    assert result.dtype == np.float32
    assert result.attrs["standard_name"] == "air_temperature_anomaly"
    assert result.attrs["units_metadata"] == "temperature: difference"
    assert "standard_name" not in run("anomaly", data.pr()).pr.attrs


def test_a_reference_without_a_month_is_refused():
    with pytest.raises(InvalidInput, match="no mean for the month of 2001-01") as caught:
        run("anomaly", series(np.arange(24)), start="2001-03", end="2001-11")
    assert caught.value.locator == "start"
    with pytest.raises(InvalidInput, match="runs from 2001-01-16"):
        run("anomaly", series(np.arange(24)), start="1990", end="1991")
    with pytest.raises(InvalidInput, match="2 values for the month") as caught:
        run("anomaly", series(np.arange(24)), series(np.arange(24)))


def test_dates_of_a_reference_are_read_at_the_edge():
    with pytest.raises(ValueError, match="give a date"):
        run("anomaly", series(np.arange(24)), start="spring")
    with pytest.raises(InvalidInput, match="does not exist in the calendar noleap"):
        run("anomaly", series(np.arange(24)), start="2001-02-29")


def test_the_difference_of_two_inputs_is_no_temperature():
    result = run("diff", data.tas(), data.tas()).tas
    np.testing.assert_array_equal(result, 0)
    assert result.attrs["long_name"] == "difference of Near-Surface Air Temperature"
    assert result.attrs["units_metadata"] == "temperature: difference"
    assert "standard_name" not in result.attrs
    with pytest.raises(InvalidInput, match="units differ"):
        run("diff", data.tas(), data.pr())


def test_nothing_is_computed_before_it_is_asked_for():
    dataset = lazy(data.tas())
    normals = lazy(run("climatology", data.tas()))
    with dask.config.set(scheduler=no_compute):
        run("temporal_mean", dataset, freq="season")
        run("climatology", dataset, freq="season")
        run("anomaly", dataset, normals)
        result = run("anomaly", dataset)
        run("diff", dataset, dataset)
    np.testing.assert_array_equal(result.tas, run("anomaly", data.tas()).tas)


def test_large_inputs_are_read_again_rather_than_held(monkeypatch):
    expected = run("anomaly", data.tas()).tas
    monkeypatch.setattr("compute_tasks.operators.anomalies.HELD_BYTES", 0)
    monkeypatch.setattr("compute_tasks.operators.group_sums.HELD_BYTES", 12 * 16 * 9)
    np.testing.assert_array_equal(run("anomaly", lazy(data.tas())).tas, expected)


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from(CALENDARS),
    st.sampled_from(["day", "month", "season", "year"]),
    st.integers(1, 200),
    st.integers(0, 500),
    st.integers(1, 600),
)
def test_means_of_days_are_those_of_numpy(calendar, freq, chunk, start, length):
    time = data.times([1999, 2000, 2001], calendar, "day")
    values = np.random.default_rng(start).integers(-9, 9, time.sizes["time"]).astype(float)
    values[values == 0] = NAN
    dataset = time.assign(v=("time", values)).isel(time=slice(start, start + length))
    result = run("temporal_mean", dataset.assign(v=dataset.v.chunk(time=chunk)), freq=freq)
    keys = [_key(d, freq) for d in dataset.time.values]
    expected = [
        np.nanmean(members) if not np.isnan(members).all() else NAN
        for key in dict.fromkeys(keys)
        if len(members := dataset.v.values[[k == key for k in keys]])
    ]
    np.testing.assert_allclose(result.v, expected, atol=1e-12)


def _key(date, freq):
    month = date.year * 12 + date.month
    return {"day": (month, date.day), "month": month, "season": month // 3, "year": date.year}[freq]
