import numpy as np
import pytest
import xarray as xr

from compute_tasks.cf.axes import axis_names, find_axis, find_dimension, find_dimensions
from compute_tasks.errors import InvalidInput
from compute_tasks.tests import data
from compute_tasks.tests.science import run


@pytest.mark.parametrize(
    ("name", "axis"),
    [("lat", "lat"), ("latitude", "lat"), ("y", "lat"), ("Y", "lat"), ("LAT", "lat"), ("x", "lon"),
     ("longitude", "lon"), ("t", "time"), ("time", "time"), (" lat ", "lat"), ("height", "height")],
)  # fmt: skip
def test_an_axis_is_found_by_name_standard_name_and_role(name, axis):
    assert find_axis(data.tas(), name) == axis


def test_a_level_is_found_although_a_scalar_height_is_vertical_too():
    dataset = data.ta().assign_coords(height=((), 2.0, {"axis": "Z"}))
    assert find_axis(dataset, "z") == "plev"
    assert find_axis(dataset, "air_pressure") == "plev"


def test_axes_without_attributes_are_known_by_their_usual_names():
    dataset = xr.Dataset({"v": (("lev", "latitude", "lon"), np.zeros((2, 2, 2)))})
    assert [find_axis(dataset, n) for n in ("z", "lat", "longitude")] == ["lev", "latitude", "lon"]


def test_projected_coordinates_are_not_taken_for_latitudes():
    y = (
        "y",
        [0.0, 1000.0],
        {"standard_name": "projection_y_coordinate", "axis": "Y", "units": "m"},
    )
    dataset = xr.Dataset({"v": ("y", [1.0, 2.0])}, {"y": y})
    assert find_axis(dataset, "y") == "y"
    with pytest.raises(InvalidInput, match="the axes are y"):
        find_axis(dataset, "lat")


def test_the_dimensions_of_a_rotated_grid_are_x_and_y_and_its_positions_lat_and_lon():
    positions = (("rlat", "rlon"), np.zeros((2, 2)))
    dataset = xr.Dataset(
        {"v": (("rlat", "rlon"), np.zeros((2, 2)))},
        {
            "rlat": ("rlat", [0, 1], {"standard_name": "grid_latitude", "axis": "Y"}),
            "lat": (*positions, {"standard_name": "latitude", "units": "degrees_north"}),
        },
    )
    assert find_axis(dataset, "y") == "rlat"
    assert find_axis(dataset, "latitude") == "lat"
    with pytest.raises(InvalidInput, match="varies along rlat and rlon"):
        find_dimension(dataset, "lat")


def test_an_unknown_axis_lists_what_there_is_but_neither_bounds_nor_grid_mappings():
    dataset = data.tas().assign_coords(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    with pytest.raises(
        InvalidInput, match=r"no axis 'depth'; the axes are time, lat, lon, height$"
    ):
        find_axis(dataset, "depth")
    assert axis_names(dataset) == ("time", "lat", "lon", "height")


def test_a_role_of_two_axes_does_not_decide():
    attributes = {"standard_name": "latitude"}
    coords = {"a": ("a", [1.0], attributes), "b": ("b", [1.0], attributes)}
    dataset = xr.Dataset({"v": (("a", "b"), [[1.0]])}, coords)
    with pytest.raises(InvalidInput, match="any of the axes a, b"):
        find_axis(dataset, "lat")


def test_an_axis_reduced_before_is_said_to_be():
    reduced = run("mean", data.tas(), axes="lat")
    with pytest.raises(InvalidInput, match="already reduced over it: cell_methods"):
        find_axis(reduced, "lat")


def test_a_scalar_coordinate_is_no_dimension():
    with pytest.raises(InvalidInput, match="'height' was already reduced to a single value"):
        find_dimension(data.tas(), "height")


@pytest.mark.parametrize("dims", [("j", "i"), ("cell",)])
def test_latitudes_and_longitudes_named_together_stand_for_the_cells_they_share(dims):
    zeros = np.zeros((2,) * len(dims))
    coords = {
        "lat": (dims, zeros, {"standard_name": "latitude"}),
        "lon": (dims, zeros, {"standard_name": "longitude"}),
    }
    dataset = xr.Dataset({"v": (dims, zeros)}, coords)
    assert find_dimensions(dataset, ["lat", "lon"]) == dims
    assert find_dimensions(dataset, ["x", "y"]) == dims
    with pytest.raises(InvalidInput, match=r"'lat' varies along .* as lon does; name th"):
        find_dimensions(dataset, ["lat"])
