import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute_tasks.errors import InvalidInput, MissingInput
from compute_tasks.tests import data
from compute_tasks.tests.science import cut_times, line, no_compute, run

NAN = np.nan
NUMPY = {
    "mean": np.nanmean, "max": np.nanmax, "min": np.nanmin, "sum": np.nansum,
    "std": np.nanstd, "var": np.nanvar,
}  # fmt: skip
METHODS = {
    "mean": "mean", "max": "maximum", "min": "minimum", "sum": "sum",
    "std": "standard_deviation", "var": "variance",
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "expected"),
    [("mean", 3.0), ("max", 6.0), ("min", 1.0), ("sum", 9.0), ("std", 14 / 3), ("var", 14 / 3),
     ("count", 3)],
)  # fmt: skip
def test_statistics_of_1_2_6_and_a_missing_value(name, expected):
    result = run(name, line([1.0, 2.0, NAN, 6.0])).v
    assert float(result) == pytest.approx(np.sqrt(expected) if name == "std" else expected)


@pytest.mark.parametrize("name", NUMPY)
def test_where_all_values_are_missing_the_result_is_missing(name):
    for dataset in (line([NAN, NAN]), line([NAN, NAN]).chunk(x=1)):
        assert np.isnan(float(run(name, dataset).v))
    assert int(run("count", line([NAN, NAN])).v) == 0


array = hnp.arrays(
    "float64",
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
    elements=st.one_of(st.just(NAN), st.integers(-1000, 1000).map(float)),
)


@settings(deadline=None, max_examples=30)
@given(array, st.sampled_from(sorted(NUMPY)), st.sampled_from(["a", "b", "a|b", None]))
def test_statistics_are_those_of_numpy(values, name, axes):
    dataset = xr.Dataset({"v": (("a", "b"), values)}).chunk(a=1)
    numbers = tuple("ab".index(a) for a in (axes or "a|b").split("|"))
    found = run(name, dataset, **({"axes": axes} if axes else {})).v.values
    gone = np.isnan(values).all(axis=numbers)
    plain = NUMPY[name](
        np.where(np.isnan(values).all(axis=numbers, keepdims=True), 0, values), numbers
    )
    np.testing.assert_allclose(found, np.where(gone, NAN, plain), rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("calendar", ["360_day", "julian", "noleap"])
def test_the_mean_over_time_on_any_calendar(calendar):
    dataset = data.tas(calendar=calendar)
    year = cut_times(dataset, "2000", "2000")
    result = run("mean", year, axes="t")
    np.testing.assert_array_equal(result.tas, dataset.tas.values[:12].astype("float64").mean(0))


@pytest.mark.parametrize("name", METHODS)
def test_attributes_stay_and_cell_methods_grow(name):
    result = run(name, data.tas(), axes="latitude|x").tas
    assert result.dims == ("time",)
    assert result.attrs["standard_name"] == "air_temperature"
    assert result.attrs["units"] == ("K2" if name == "var" else "K")
    method = f"area: time: mean latitude: longitude: {METHODS[name]}"
    assert result.attrs["cell_methods"] == method


def test_bounds_go_with_their_axis_and_scalar_coordinates_stay():
    result = run("mean", data.tas(), axes="time")
    assert set(result.coords) == {"lat", "lon", "lat_bnds", "lon_bnds", "height"}
    assert result.lat.encoding["bounds"] == "lat_bnds"
    assert result.attrs == data.tas().attrs


def test_cell_areas_are_referred_to_only_while_the_cells_last():
    assert "cell_measures" in run("mean", data.tas(), axes="time").tas.attrs
    assert "cell_measures" not in run("mean", data.tas(), axes="lat").tas.attrs


def test_precision_is_double_except_for_extremes():
    kinds = {name: run(name, data.tas()).tas.dtype.name for name in (*NUMPY, "count")}
    assert kinds == dict.fromkeys(NUMPY, "float64") | {
        "max": "float32",
        "min": "float32",
        "count": "int32",
    }


def test_a_large_sum_of_32_bit_numbers_is_exact():
    assert float(run("sum", line(np.full(20_000_001, 1, "float32"))).v) == 20_000_001


def test_counts_are_pure_numbers_of_another_quantity():
    attributes = run("count", data.tas(missing=True)).tas.attrs
    assert attributes["units"] == "1"
    assert "standard_name" not in attributes


def test_an_unknown_axis_is_refused_with_the_axes_there_are():
    with pytest.raises(InvalidInput, match="the axes are time, lat, lon") as caught:
        run("mean", data.tas(), axes="depth")
    assert caught.value.locator == "axes"


def test_text_cannot_be_reduced():
    with pytest.raises(InvalidInput, match="'v' holds no numbers"):
        run("mean", line(np.array(["a", "b"])))


@pytest.mark.parametrize("name", [*NUMPY, "count"])
def test_reducing_stays_lazy(name):
    with dask.config.set(scheduler=no_compute):
        run(name, data.tas().chunk(time=1))
        run(name, run("groupby_bins", data.tas().chunk(time=1), bins="-90|0|90", variable="lat"))
        run(name, run("groupby_bins", data.tas().chunk(time=1), bins="200|220|280"))


def test_bins_are_closed_on_the_right_and_empty_ones_missing():
    dataset = xr.Dataset({"v": ("lat", [1.0, 2, 4, 8])}, {"lat": [0, 10, 20, 30]})
    groups = run("groupby_bins", dataset, bins="0|10|30|40", variable="lat")
    result = run("sum", groups)
    np.testing.assert_array_equal(result.v, [2, 12, NAN])
    assert result.v.dims == ("lat_bins",)
    assert result.lat_bins.values.tolist() == [5, 20, 35]
    assert result[result.lat_bins.encoding["bounds"]].values.tolist() == [
        [0, 10],
        [10, 30],
        [30, 40],
    ]
    assert run("count", groups).v.values.tolist() == [1, 2, 0]


def test_groups_of_a_variable_by_its_own_values():
    groups = run("groupby_bins", line([1.0, 2, NAN, 4, 8]), bins="0|2|10")
    assert run("mean", groups).v.values.tolist() == [1.5, 6]
    assert run("filter_map", groups, func="max", cond="v<8").v.values.tolist() == [2, 4]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=30),
    st.lists(st.integers(-25, 25), min_size=2, max_size=5, unique=True).map(sorted),
)
def test_grouped_sums_are_those_of_numpy(values, edges):
    groups = run(
        "groupby_bins", line(np.array(values, float)).chunk(x=3), bins="|".join(map(str, edges))
    )
    found = run("sum", groups).v.values
    for low, high, total in zip(edges[:-1], edges[1:], found, strict=True):
        members = [v for v in values if low < v <= high]
        assert total == sum(members) if members else np.isnan(total)


def test_groups_along_an_axis_keep_the_other_axes_unless_named():
    groups = run("groupby_bins", data.tas(), bins="-90|0|90", variable="y")
    result = run("mean", groups)
    assert result.tas.dims == ("lat_bins", "time", "lon")
    north = data.tas().tas.values[:, 3:].astype(float).mean(1)
    np.testing.assert_allclose(result.tas.values[1], north)
    assert run("mean", groups, axes="t|lon").tas.dims == ("lat_bins",)
    assert result.lat_bins.attrs["units"] == "degrees_north"


def test_time_is_binned_in_the_units_and_calendar_of_the_file():
    groups = run(
        "groupby_bins", data.tas(calendar="360_day"), bins="54000|54060|60000", variable="t"
    )
    assert run("count", groups).tas.values[:, 0, 0].tolist() == [2, 22]
    attributes = run("mean", groups).time_bins.attrs
    assert attributes["units"] == "days since 1850-01-01"
    assert attributes["calendar"] == "360_day"


@pytest.mark.parametrize("bins", ["", "1", "1|1", "2|1", "a|b", "0|nan"])
def test_bins_must_increase(bins):
    with pytest.raises(ValueError, match=r"increasing edges|is not a number"):
        run("groupby_bins", data.tas(), bins=bins)


def test_what_is_binned_must_be_there_and_be_said_among_several():
    with pytest.raises(InvalidInput, match=r"variable \(tas\) nor an axis"):
        run("groupby_bins", data.tas(), bins="0|1", variable="depth")
    two = xr.merge([line([1.0]), line([1.0], "w")])
    with pytest.raises(MissingInput, match="one of v, w"):
        run("groupby_bins", two, bins="0|1")


def test_filter_map_takes_statistics_only():
    with pytest.raises(ValueError, match="give one of mean, max, min, sum, std, var, count"):
        run("filter_map", data.tas(), func="to_netcdf")
    assert float(run("filter_map", line([1.0, 2, 6]), func="mean", cond="v>1").v) == 4
    assert float(run("filter_map", line([1.0, 2, 6]), func="sum", cond="v>1", other="10").v) == 18
    assert float(run("filter_map", line([1.0, 2, 6]), func="sum").v) == 9
