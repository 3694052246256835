import cftime
import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.errors import InvalidInput
from compute_tasks.tests import data
from compute_tasks.tests.science import cut, cut_indices, line, no_compute, run


def named(dataset, source):
    dataset.encoding["source"] = source
    return dataset


def series(days, values, units="days since 2000-01-01", calendar="noleap", **encoding):
    times = cftime.num2date(np.asarray(days), units, calendar)
    dataset = xr.Dataset({"v": ("time", np.asarray(values))}, {"time": times})
    dataset.time.encoding.update(units=units, calendar=calendar, **encoding)
    return dataset


@pytest.mark.parametrize("calendar", ["noleap", "360_day", "standard"])
def test_pieces_are_joined_in_the_order_of_time(calendar):
    pieces = [data.tas((year,), calendar) for year in (2001, 2000, 2002)]
    result = run("aggregate", *pieces)
    assert [t.year for t in result.time.values[::12]] == [2000, 2001, 2002]
    np.testing.assert_array_equal(result.tas[:12], pieces[1].tas)
    np.testing.assert_array_equal(result.tas[12:24], pieces[0].tas)
    assert result.time_bnds.shape == (36, 2)
    assert result.indexes["time"].is_monotonic_increasing
    assert result.tas.attrs == pieces[1].tas.attrs


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 60), min_size=2, max_size=20, unique=True), st.data())
def test_any_split_of_a_series_is_put_together_again(days, draw):
    cut_at = draw.draw(st.integers(1, len(days) - 1))
    pieces = [sorted(days[:cut_at]), sorted(days[cut_at:])]
    result = run("aggregate", *(series(p, np.array(p, float)) for p in pieces))
    assert result.v.values.tolist() == sorted(days)


def test_times_counted_from_different_days_keep_their_dates(tmp_path):
    first = series([0, 1], [1.0, 2.0], dtype="int32")
    second = series([0.5, 1.5], [3.0, 4.0], "days since 2001-01-01")
    run("aggregate", first, second).to_netcdf(tmp_path / "joined.nc")
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    with xr.open_dataset(tmp_path / "joined.nc", decode_times=coder) as found:
        dates = [t.isoformat() for t in found.time.values]
        assert found.time.encoding["units"] == "days since 2000-01-01"
    assert dates == [
        "2000-01-01T00:00:00", "2000-01-02T00:00:00", "2001-01-01T12:00:00", "2001-01-02T12:00:00"
    ]  # fmt: skip


def test_pieces_on_curvilinear_grids_lie_in_the_same_place():
    def piece(day, lat):
        positions = ("y", "x"), np.full((2, 3), lat), {"standard_name": "latitude"}
        values = xr.Dataset({"v": (("time", "y", "x"), np.zeros((1, 2, 3)))}, {"lat": positions})
        return named(values.assign_coords(time=series([day], [0.0]).time), f"{day}.nc")

    assert run("aggregate", piece(0, 5.0), piece(1, 5.0)).sizes["time"] == 2
    with pytest.raises(InvalidInput, match=r"0\.nc and 1\.nc lie elsewhere: lat differs"):
        run("aggregate", piece(0, 5.0), piece(1, 5.1))


def test_different_calendars_are_refused_by_name_and_file():
    a, b = named(data.tas((2000,)), "a.nc"), named(data.tas((2001,), "360_day"), "b.nc")
    with pytest.raises(InvalidInput, match=r"calendars differ: noleap in a.nc, 360_day in b.nc"):
        run("aggregate", a, b)


def test_overlapping_pieces_are_refused_by_file_and_time():
    a, b = named(data.tas((2000, 2001)), "a.nc"), named(data.tas((2001, 2002)), "b.nc")
    with pytest.raises(InvalidInput, match=r"a.nc and b.nc overlap: both hold time 2001-01-16T12"):
        run("aggregate", a, b)
    with pytest.raises(InvalidInput, match=r"a.nc and a.nc cover the same points"):
        run("aggregate", a, a)


def test_pieces_of_other_variables_units_or_grids_are_refused():
    a = named(data.tas((2000,)), "a.nc")
    warm = named(data.tas((2001,)), "b.nc")
    warm.tas.attrs["units"] = "degC"
    for other, text in [
        (data.pr((2001,)), "holds the variable tas, .* holds pr"),
        (warm, "units of tas differ: 'K' in a.nc, 'degC' in b.nc"),
        (named(data.tas((2001,), nlat=4), "b.nc"), "'lat' of a.nc and b.nc: 6 and 4 points"),
        (named(data.tas((2001,), lon_start=2.0), "b.nc"), "'lon' of a.nc and b.nc: point 0"),
    ]:
        with pytest.raises(InvalidInput, match=text):
            run("aggregate", a, other)


def test_rounding_of_other_coordinates_is_taken_from_the_first():
    other = data.tas((2001,))
    other = other.assign_coords(lat=other.lat.astype("float32") + np.float32(1e-5))
    result = run("aggregate", data.tas((2000,)), other)
    assert result.lat.values.tolist() == data.tas().lat.values.tolist()
    assert result.tas.shape == (24, 6, 8)


def test_single_times_and_other_axes_are_joined_too():
    months = [cut_indices(data.tas(), time=(i, i)) for i in (2, 0, 1)]
    assert run("aggregate", *months).time.equals(cut_indices(data.tas(), time=(0, 3)).time)
    south, north = cut(data.tas(), lat=(-90, 0)), cut(data.tas(), lat=(0, 90))
    joined = run("aggregate", north, south)
    np.testing.assert_array_equal(joined.tas, data.tas().tas)
    falling = data.tas(descending=True)
    pieces = cut(falling, lat=(-90, 0)), cut(falling, lat=(0, 90))
    np.testing.assert_array_equal(run("aggregate", *pieces).lat, falling.lat)


def test_ids_of_all_files_are_kept_and_attributes_of_the_first():
    pieces = [data.tas((y,)).assign_attrs(tracking_id=f"hdl:{y}") for y in (2001, 2000)]
    result = run("aggregate", *pieces)
    assert result.attrs["source_tracking_id"] == "hdl:2000 hdl:2001"
    again = run("aggregate", result, data.tas((2002,)).assign_attrs(tracking_id="hdl:3"))
    assert again.attrs["source_tracking_id"] == "hdl:2000 hdl:2001 hdl:3"


def test_packing_that_does_not_suit_all_pieces_is_left_out():
    first, second = data.tas((2000,)), data.tas((2001,))
    assert run("aggregate", first, second).tas.encoding["dtype"] == "float32"
    first.tas.encoding.update(dtype="int16", scale_factor=0.01)
    assert "scale_factor" not in run("aggregate", first, second).tas.encoding


def test_missing_values_stay_and_may_be_filled_after_joining():
    pieces = data.tas((2000,), missing=True), data.tas((2001,))
    assert int(run("aggregate", *pieces).tas.isnull().sum()) == int(pieces[0].tas.isnull().sum())
    filled = run("aggregate", *pieces, fillna="0", rename="tas|t")
    assert float(filled.t[0, 0, 0]) == 0


def test_variables_are_merged_on_one_grid():
    nudged = data.pr().assign_coords(lon=data.pr().lon + 1e-6)
    result = run("merge", data.tas(), nudged)
    assert set(result.data_vars) == {"tas", "pr"}
    assert result.lon.identical(data.tas().lon)
    np.testing.assert_array_equal(result.pr, nudged.pr)
    assert set(run("merge", data.tas(), data.sftlf()).data_vars) == {"tas", "sftlf"}


def test_merging_other_grids_or_heights_is_refused():
    with pytest.raises(InvalidInput, match=r"axis 'lat'.*6 and 4 points"):
        run("merge", data.tas(), data.pr(nlat=4))
    high = data.pr().assign_coords(height=10.0)
    with pytest.raises(InvalidInput, match=r"height is 2.0 in input 1 and 10.0 in input 2"):
        run("merge", data.tas(), high)
    assert float(run("merge", data.tas(), high, compat="override").height) == 2


def test_a_variable_held_twice_is_filled_or_the_first_taken():
    first, second = line([1.0, np.nan, 3.0]), line([1.0, 2.0, np.nan])
    assert run("merge", first, second).v.values.tolist() == [1, 2, 3]
    np.testing.assert_array_equal(run("merge", first, second, compat="override").v, first.v)


def test_values_that_conflict_are_refused_when_they_are_met():
    merged = run("merge", line([1.0, 2.0]).chunk(x=1), line([1.0, 5.0]).chunk(x=1))
    with pytest.raises(InvalidInput, match=r"different values of v, such as 2.0 and 5.0"):
        merged.compute()


def test_combining_stays_lazy():
    pieces = [data.tas((year,)).chunk(time=1) for year in (2000, 2001)]
    with dask.config.set(scheduler=no_compute):
        run("aggregate", *pieces)
        run("merge", pieces[0], data.pr((2000,)).chunk(time=1))
        run("merge", pieces[0], pieces[0])
