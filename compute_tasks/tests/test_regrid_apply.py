import dask
import numpy as np
import pytest
import xarray as xr

from compute_tasks.errors import InvalidInput
from compute_tasks.regrid import apply, targets
from compute_tasks.regrid.apply import regrid
from compute_tasks.tests import data
from compute_tasks.tests.science import no_compute

T21 = targets.named("T21")


def curvilinear():
    """Return a field on (time, j, i) whose latitudes and longitudes are both two-dimensional."""
    lat, lon = np.meshgrid(np.linspace(-85, 85, 35), np.arange(72) * 5.0, indexing="ij")
    values = (
        np.cos(np.radians(lat)).astype("float32") + np.arange(3, dtype="float32")[:, None, None]
    )
    return xr.Dataset(
        {"tos": (("time", "j", "i"), values, {"units": "K"}, {"grid_mapping": "crs"})},
        {
            "nav_lat": (("j", "i"), lat, {"standard_name": "latitude", "units": "degrees_north"}),
            "nav_lon": (("j", "i"), lon, {"standard_name": "longitude", "units": "degrees_east"}),
            "crs": ((), 0, {"grid_mapping_name": "rotated_latitude_longitude"}),
        },
    )


@pytest.mark.parametrize("method", ["conservative", "linear", "nearest"])
def test_regridding_is_lazy_and_the_same_in_blocks_as_in_memory(method, monkeypatch):
    monkeypatch.setattr(apply, "BLOCK_BYTES", 3 * 8 * T21.size)
    source = data.tas(missing=True, nlat=18, nlon=36)
    blocks = source.assign(tas=source.tas.chunk(time=5, lat=4, lon=7))
    with dask.config.set(scheduler=no_compute):
        lazy = regrid(blocks, T21, method)
    assert lazy.tas.chunks[1:] == ((32,), (64,))
    assert max(lazy.tas.chunks[0]) <= 3
    np.testing.assert_array_equal(lazy.tas, regrid(source, T21, method).tas)
    assert lazy.tas.dtype == np.float32


def test_the_result_has_cf_axes_with_bounds_and_keeps_the_rest():
    result = regrid(data.tas(), T21, "conservative")
    assert result.tas.dims == ("time", "lat", "lon")
    assert set(result.coords) == {
        "time", "time_bnds", "height", "lat", "lat_bnds", "lon", "lon_bnds",
    }  # fmt: skip
    for name, axis, units in (("lat", "Y", "degrees_north"), ("lon", "X", "degrees_east")):
        assert result[name].attrs["axis"] == axis
        assert result[name].attrs["units"] == units
        assert result[name].encoding["bounds"] == f"{name}_bnds"
        assert result[f"{name}_bnds"].shape == (result.sizes[name], 2)
    np.testing.assert_array_equal(result.lat_bnds, T21.lat.cells)
    assert result.tas.attrs["units"] == "K"
    assert result.tas.attrs["cell_methods"] == "area: time: mean"
    assert "cell_measures" not in result.tas.attrs
    assert result.attrs == data.tas().attrs


def test_levels_stay_where_they_are_and_axes_keep_their_names():
    source = data.ta().rename(lat="latitude", lon="longitude")
    source = source.transpose("time", "latitude", "longitude", "plev", ...)
    result = regrid(source, T21, "linear").ta
    assert result.dims == ("time", "latitude", "longitude", "plev")
    expected = regrid(data.ta(), T21, "linear").ta.transpose("time", "lat", "lon", "plev")
    np.testing.assert_array_equal(result, expected)


def test_rows_and_columns_may_be_in_either_order():
    result = regrid(data.tas().transpose("lon", "lat", "time", ...), T21, "conservative").tas
    assert result.dims == ("lat", "lon", "time")
    expected = regrid(data.tas(), T21, "conservative").tas.transpose("lat", "lon", "time")
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("method", ["linear", "nearest"])
def test_a_curvilinear_input_goes_to_rows_and_columns(method):
    result = regrid(curvilinear().chunk(time=1), targets.named("uniform~10x10"), method)
    assert result.tos.dims == ("time", "lat", "lon")
    assert set(result.coords) == {"lat", "lat_bnds", "lon", "lon_bnds"}
    assert not result.tos.encoding
    expected = np.cos(np.radians(result.lat)) + xr.DataArray(np.arange(3), dims="time")
    found = result.tos.transpose("time", "lat", "lon")
    difference = np.abs(found - expected).values
    assert np.nanmax(difference) < (0.01 if method == "linear" else 0.05)
    assert np.isfinite(found.sel(lat=slice(-80, 80))).all()


def test_longitudes_may_have_their_dimensions_in_another_order_than_latitudes():
    source = curvilinear()
    source["tos"] = source.tos + source.nav_lon
    turned = source.assign_coords(nav_lon=source.nav_lon.variable.transpose("i", "j"))
    target = targets.named("uniform~10x10")
    found = regrid(turned, target, "nearest").tos
    np.testing.assert_array_equal(found, regrid(source, target, "nearest").tos)


def test_an_unstructured_input_in_radians_goes_to_rows_and_columns():
    mesh = curvilinear().stack(cell=("j", "i")).reset_index("cell", drop=True)
    for name in ("nav_lat", "nav_lon"):
        mesh[name] = np.radians(mesh[name]).assign_attrs(
            standard_name=mesh[name].attrs["standard_name"], units="radian"
        )
    target = targets.named("uniform~10x10")
    found = regrid(mesh, target, "nearest").tos
    assert found.dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(found, regrid(curvilinear(), target, "nearest").tos)


def test_whole_numbers_become_doubles_and_flags_keep_their_meaning_only_as_they_are():
    source = data.sftlf()
    source["sftlf"] = source.sftlf.astype("int16").assign_attrs(flag_values=[0, 100])
    assert regrid(source, T21, "nearest").sftlf.dtype == np.float64
    assert "flag_values" in regrid(source, T21, "nearest").sftlf.attrs
    assert "flag_values" not in regrid(source, T21, "linear").sftlf.attrs


def test_a_variable_without_the_grid_passes_unchanged():
    source = data.tas().assign(index=("time", np.arange(24.0)))
    np.testing.assert_array_equal(regrid(source, T21, "linear").index, source.index)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (data.tas().mean("lon"), "no axis 'longitude'; the axes are time, lat"),
        (data.tas().isel(lat=0), "axis 'lat' is a single value"),
        (data.tas().drop_vars(["lat", "lat_bnds"]), "'lat' has no coordinate values"),
        (data.tas().assign(zonal=("lat", np.ones(6))), "'zonal' has no axis 'lon'"),
        (
            data.tas().isel(lat=[0, 3, 1]).drop_vars("lat_bnds"),
            "axis 'lat' is not in order and has no bounds",
        ),
        (data.tas().assign_coords(lat=np.full(6, np.nan)), "axis 'lat' has missing values"),
    ],
)
def test_what_has_no_grid_is_refused_with_the_reason(source, said):
    with pytest.raises(InvalidInput) as caught:
        regrid(source, T21, "linear")
    assert said in caught.value.message
    assert caught.value.locator == "operation"
