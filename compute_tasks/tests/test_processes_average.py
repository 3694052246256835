import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute_tasks.errors import InvalidInput
from compute_tasks.tests import data
from compute_tasks.tests.science import cut, no_compute, run

NAN = np.nan
# Bands 0-30 and 30-90 degrees: their areas are equal, since the sine of 30 degrees is a half.
LATITUDES = xr.Dataset(
    coords={
        "lat": ("lat", [15.0, 60.0], {"units": "degrees_north"}, {"bounds": "lat_bnds"}),
        "lat_bnds": (("lat", "bnds"), [[0.0, 30.0], [30.0, 90.0]]),
    }
)


def bands(values):
    return LATITUDES.assign(v=("lat", np.array(values, float)))


def test_bands_count_by_the_area_between_their_bounds():
    assert float(run("average", bands([1, 4]), axes="lat").v) == pytest.approx(2.5)
    cosines = np.cos(np.deg2rad([15, 60]))
    expected = (cosines[0] + 4 * cosines[1]) / cosines.sum()
    assert float(run("average", bands([1, 4]), axes="lat", weights="cos").v) == pytest.approx(
        expected
    )
    assert float(run("average", bands([1, 4]), axes="lat", weights="none").v) == 2.5


def test_areas_decide_where_bounds_are_uneven():
    dataset = bands([1, 4]).assign_coords(lat_bnds=(("lat", "bnds"), [[0.0, 30], [30, 50]]))
    areas = np.sin(np.deg2rad([0, 30, 50]))
    expected = np.diff(areas) @ [1, 4] / areas[-1]
    assert float(run("average", dataset, axes="lat").v) == pytest.approx(expected)


def test_bounds_are_inferred_half_way_and_end_at_the_poles():
    lat = ("lat", [-60.0, 0.0, 60.0], {"units": "degrees_north"})
    dataset = xr.Dataset({"v": ("lat", [1.0, 2, 6])}, {"lat": lat})
    result = run("average", dataset, axes="lat").v
    # Bands -90..-30, -30..30, 30..90 have areas 1/2, 1 and 1/2.
    assert float(result) == pytest.approx((0.5 + 2 + 3) / 2)
    assert result.attrs["cell_methods"] == "lat: mean (weighted: area from inferred bounds)"


def test_the_sphere_is_averaged_over_both_axes_by_default():
    dataset = data.tas(missing=True)
    result = run("average", dataset)
    areas = np.diff(np.sin(np.deg2rad(np.linspace(-90, 90, 7))))[:, None] * np.ones((1, 8))
    values = dataset.tas.values[3]
    known = ~np.isnan(values)
    assert result.tas.dims == ("time",)
    expected = np.average(values[known].astype(float), weights=areas[known])
    assert float(result.tas[3]) == pytest.approx(expected)
    assert np.isnan(result.tas[0])
    assert result.tas.attrs["cell_methods"] == (
        "area: time: mean area: mean (weighted: area from bounds)"
    )
    assert result.tas.attrs["standard_name"] == "air_temperature"
    assert "cell_measures" not in result.tas.attrs


def test_latitudes_from_north_to_south_give_the_same():
    north = run("average", data.tas(descending=True).sortby("lat")).tas
    np.testing.assert_allclose(run("average", data.tas(descending=True)).tas, north, rtol=1e-14)


def test_a_region_is_averaged_over_its_whole_cells():
    region = cut(data.tas(), lat=(0, 60), lon=(80, 140))
    areas = np.diff(np.sin(np.deg2rad([0, 30, 60])))
    expected = np.average(region.tas.values[0].mean(axis=1), weights=areas)
    assert float(run("average", region).tas[0]) == pytest.approx(expected, rel=1e-6)


def test_times_count_by_their_length():
    result = run("average", data.tas(years=[2001]), axes="t")
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    expected = np.average(data.tas(years=[2001]).tas.values[:, 2, 3].astype(float), weights=days)
    assert float(result.tas[2, 3]) == pytest.approx(expected)
    assert "cell_measures" in data.tas().tas.attrs


def test_levels_without_bounds_count_the_same_and_the_result_says_so():
    result = run("average", data.ta(), axes="z").ta
    np.testing.assert_allclose(result, data.ta().ta.values.astype(float).mean(axis=1))
    assert result.attrs["cell_methods"].endswith("air_pressure: mean (unweighted: air_pressure)")


def test_levels_with_bounds_count_by_their_thickness():
    dataset = data.ta().assign_coords(
        plev_bnds=(("plev", "bnds"), [[1e5, 9e4], [9e4, 7e4], [7e4, 3e4]])
    )
    dataset.plev.encoding["bounds"] = "plev_bnds"
    expected = np.average(dataset.ta.values[0, :, 0, 0].astype(float), weights=[1, 2, 4])
    assert float(run("average", dataset, axes="z").ta[0, 0, 0]) == pytest.approx(expected)


def test_areas_given_as_second_input_are_used_and_named():
    areas = data.sftlf().rename(sftlf="areacella")
    result = run("average", data.tas(), areas).tas
    east = data.tas().tas.values[:, :, 4:].astype(float).mean(axis=(1, 2))
    np.testing.assert_allclose(result, east)
    assert result.attrs["cell_methods"].endswith("area: mean (weighted: areacella)")


def test_given_areas_and_lengths_of_time_count_together():
    areas = data.sftlf().rename(sftlf="areacella")
    result = float(run("average", data.tas(years=[2001]), areas, axes="x|y|t").tas)
    east = run("average", data.tas(years=[2001]).isel(lon=slice(4, 8)), weights="none").tas.values
    days = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    assert result == pytest.approx(np.average(east, weights=days))


def test_weights_are_given_once():
    with pytest.raises(InvalidInput, match="leave one of them out") as caught:
        run("average", data.tas(), data.sftlf(), weights="cos")
    assert caught.value.locator == "weights"


def test_weights_on_another_grid_are_refused():
    with pytest.raises(InvalidInput, match="axis 'lat'"):
        run("average", data.tas(), data.sftlf(nlat=4))


def curvilinear():
    lat = (("j", "i"), [[10.0, 11], [20, 21]], {"units": "degrees_north"})
    lon = (("j", "i"), [[0.0, 10], [1, 11]], {"units": "degrees_east"})
    return xr.Dataset({"v": (("j", "i"), [[1.0, 2], [3, NAN]])}, {"lat": lat, "lon": lon})


def test_cells_of_a_curvilinear_grid_need_areas():
    with pytest.raises(InvalidInput, match="give them as second input, such as areacella"):
        run("average", curvilinear())
    area = xr.Dataset({"areacella": (("j", "i"), [[1.0, 1], [2, 5]])})
    assert float(run("average", curvilinear(), area).v) == pytest.approx(9 / 4)
    assert float(run("average", curvilinear(), weights="none").v) == 2


def test_cell_measures_of_the_file_are_its_areas():
    dataset = curvilinear().assign_coords(areacello=(("j", "i"), [[1.0, 1], [2, 5]]))
    dataset.v.attrs["cell_measures"] = "area: areacello"
    result = run("average", dataset).v
    assert float(result) == pytest.approx(9 / 4)
    assert result.attrs["cell_methods"] == "area: mean (weighted: area from areacello)"


def test_an_axis_already_averaged_is_refused():
    with pytest.raises(InvalidInput, match="no axis 'y'"):
        run("average", run("average", data.tas()), axes="y")


def test_averaging_stays_lazy():
    dataset = data.tas().assign(tas=data.tas().tas.chunk(time=5, lat=2))
    with dask.config.set(scheduler=no_compute):
        result = run("average", dataset, axes="x|y|t")
    np.testing.assert_allclose(result.tas, run("average", data.tas(), axes="x|y|t").tas)


fields = hnp.arrays(
    "float64",
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=5),
    elements=st.one_of(st.just(NAN), st.integers(-1000, 1000).map(float)),
)


@settings(deadline=None, max_examples=30)
@given(fields, st.data())
def test_averages_are_those_of_numpy(values, draw):
    weights = draw.draw(
        hnp.arrays("float64", values.shape, elements=st.integers(0, 9).map(float)), "weights"
    )
    dataset = xr.Dataset({"v": (("lat", "lon"), values)})
    areas = xr.Dataset({"areacella": (("lat", "lon"), weights)})
    found = float(run("average", dataset.chunk(lat=2), areas, axes="lat|lon").v)
    known = ~np.isnan(values)
    if weights[known].sum() == 0:
        assert np.isnan(found)
    else:
        expected = np.average(values[known], weights=weights[known])
        assert found == pytest.approx(expected, abs=1e-9)
