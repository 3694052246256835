import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.domain.selection import apply_mask
from compute_tasks.errors import InvalidInput
from compute_tasks.model import Mask
from compute_tasks.tests import data
from compute_tasks.tests.science import cut, cut_indices, line, no_compute


def along(name, values, units="", **attributes):
    values = np.asarray(values)
    coord = (name, values, {"units": units, **attributes})
    return xr.Dataset({"v": (name, np.arange(len(values), dtype=float))}, {name: coord})


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("ends", [(-15, 45), (45, -15)])
def test_values_take_both_ends_whatever_the_direction(descending, ends):
    dataset = cut(data.tas(descending=descending), lat=ends)
    expected = [45, 15, -15] if descending else [-15, 15, 45]
    assert dataset.lat.values.tolist() == expected
    assert dataset.lat_bnds.values.mean(axis=1).tolist() == expected


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.integers(-50, 50), min_size=1, max_size=20, unique=True),
    st.integers(-60, 60),
    st.integers(-60, 60),
    st.integers(1, 3),
)
def test_values_select_as_a_comparison_does_on_any_order(values, start, end, step):
    low, high = sorted((start, end))
    expected = [v for v in values if low <= v <= high][::step]
    if start == end:
        expected = expected[:1]
    if not expected:
        with pytest.raises(InvalidInput, match=r"nothing lies in|no point lies"):
            cut(along("z", values), z=(start, end, step))
    else:
        found = np.atleast_1d(cut(along("z", values), z=(start, end, step)).z.values)
        assert found.tolist() == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_coordinate_rounded_to_32_bits_is_hit(dtype):
    dataset = along("lat", np.array([19.1, 20.1, 21.1], "float32").astype(dtype))
    assert cut(dataset, lat=(20.1, 21.1)).lat.size == 2
    assert cut(dataset, lat=(19.1, 20.1)).lat.size == 2
    assert float(cut(dataset, lat=(20.1, 20.1)).v) == 1


def test_open_ends_and_steps():
    dataset = along("lat", [0, 10, 20, 30, 40])
    assert cut(dataset, lat=(20, None)).lat.values.tolist() == [20, 30, 40]
    assert cut(dataset, lat=(None, 25, 2)).lat.values.tolist() == [0, 20]
    with pytest.raises(InvalidInput, match="step must be 1 or more, not 0"):
        cut(dataset, lat=(0, 40, 0))


@pytest.mark.parametrize(
    ("file", "asked", "expected"),
    [
        (np.arange(0, 360, 30), (-60, 60), [-60, -30, 0, 30, 60]),
        (np.arange(0, 360, 30), (330, 30), [330, 360, 390]),
        (np.arange(-180, 180, 60), (120, 240), [120, 180, 240]),
        (np.arange(0, 360, 90), (-180, 180), [-90, 0, 90, 180]),
        (np.arange(0, 360, 90), (0, 360), [0, 90, 180, 270]),
        (np.arange(0, 361, 90), (-180, 180), [-90, 0, 90, 180]),
        (np.arange(270, -90, -90), (-90, 90), [90, 0, -90]),
        (np.array([20, 110, 200, 290, 378]), (0, 360), [18, 20, 110, 200, 290]),
        (np.arange(0, 360, 90), (360, 0), [0, 90, 180, 270]),
        (np.arange(0, 360, 90), (180, -180), [-90, 0, 90, 180]),
        (np.array([90, 0, 270, 180]), (80, 280), [90, 270, 180]),
    ],
)
def test_longitudes_wrap_into_the_asked_range_without_repeats(file, asked, expected):
    dataset = along("lon", file.astype(float), "degrees_east", standard_name="longitude")
    found = cut(dataset, lon=asked)
    assert found.lon.values.tolist() == expected
    original = dict(zip(file % 360, np.arange(len(file)), strict=True))
    assert [original[lon % 360] % len(set(file % 360)) for lon in expected] == [
        value % len(set(file % 360)) for value in found.v.values
    ]


def test_bounds_move_with_wrapped_longitudes_and_keep_their_attributes():
    dataset = cut(data.tas(), lon=(-100, 50))
    assert dataset.lon.values.tolist() == [-90, -45, 0, 45]
    assert dataset.lon_bnds.values[:2].tolist() == [[-112.5, -67.5], [-67.5, -22.5]]
    assert dataset.lon.attrs["units"] == "degrees_east"
    assert dataset.lon.encoding["bounds"] == "lon_bnds"
    assert dataset.tas.values[0, 0, 0] == data.tas().tas.values[0, 0, 6]


@settings(deadline=None, max_examples=60)
@given(st.integers(-400, 400), st.integers(0, 720), st.sampled_from([0, -180, 20]))
def test_wrapped_longitudes_are_the_columns_that_lie_there(start, span, first):
    file = first + 10.0 * np.arange(36)
    dataset = along("lon", file, "degrees_east", standard_name="longitude")
    end = start + span
    reachable = {lon % 360 for lon in range(start, end + 1) if lon % 10 == 0}
    if not reachable:
        with pytest.raises(InvalidInput):
            cut(dataset, lon=(start, end))
        return
    found = cut(dataset, lon=(start, end))
    columns = np.atleast_1d(found.lon.values)
    assert len(columns) == len(reachable)
    assert {lon % 360 for lon in columns} == reachable
    assert (file[np.atleast_1d(found.v.values).astype(int)] % 360 == columns % 360).all()
    assert ((columns >= start) & (columns <= end)).all()
    assert (np.diff(columns) > 0).all()


def test_a_single_longitude_is_found_in_any_turn():
    found = cut(data.tas(), lon=(-45, -45))
    assert float(found.lon) == -45
    assert found.lon_bnds.values.tolist() == [-67.5, -22.5]
    assert float(cut(data.tas(), method="nearest", lon=(359, 359)).lon) == 360


def test_latitudes_do_not_wrap():
    with pytest.raises(InvalidInput, match=r"runs from -75 degrees_north to 75 degrees_north"):
        cut(data.tas(), lat=(100, 200))


@pytest.mark.parametrize(("method", "value"), [("nearest", 20), ("pad", 10), ("backfill", 20)])
def test_a_method_finds_a_point_for_a_value_in_between(method, value):
    for values in ([0, 10, 20, 30], [30, 20, 10, 0], [20, 0, 30, 10]):
        found = cut(along("lat", values), method=method, lat=(17, 17))
        assert float(found.lat) == value
        assert "lat" not in found.dims


def test_a_value_in_between_without_method_is_refused_with_its_neighbours():
    with pytest.raises(InvalidInput, match=r"nearest values are 10 m and 20 m") as caught:
        cut(along("depth", [0, 10, 20, 30], "m"), depth=(17, 17))
    assert caught.value.locator == "domain"
    with pytest.raises(InvalidInput, match="by pad"):
        cut(along("depth", [0, 10], "m"), method="pad", depth=(-1, -1))


def test_indices_leave_out_the_end_count_from_both_sides_and_pick_a_point():
    dataset = line([0.0, 1, 2, 3, 4])
    assert cut_indices(dataset, x=(1, 4, 2)).v.values.tolist() == [1, 3]
    assert cut_indices(dataset, x=(-2, None)).v.values.tolist() == [3, 4]
    assert float(cut_indices(dataset, x=(-1, -1)).v) == 4
    assert float(cut_indices(dataset, x=(2.0, 2.0)).v) == 2


@pytest.mark.parametrize(
    ("ends", "text"),
    [((5, 9), "the indices are 0 to 4"), ((7, 7), "index 7 is out of range"),
     ((3, 1), "select nothing"), ((0.5, 2), "indices are whole numbers"), (("a", 2), "no number")],
)  # fmt: skip
def test_indices_that_select_nothing_are_refused(ends, text):
    with pytest.raises(InvalidInput, match=text):
        cut_indices(line([0.0, 1, 2, 3, 4]), x=ends)


def test_a_dimension_without_coordinate_takes_indices_only():
    with pytest.raises(InvalidInput, match=r"no coordinate values; use crs indices, 0 to 1"):
        cut(line([0.0, 1]), x=(0, 1))


def test_curvilinear_positions_point_at_the_indices_of_their_dimensions():
    lat = (("j", "i"), np.zeros((2, 3)), {"standard_name": "latitude"})
    dataset = xr.Dataset({"v": (("j", "i"), np.zeros((2, 3)))}, {"lat": lat})
    with pytest.raises(InvalidInput, match="varies along j and i; select these with crs indices"):
        cut(dataset, latitude=(0, 1))


def test_cells_of_a_mesh_are_selected_by_their_positions():
    coords = {"lat": ("cell", [0.0, 10, 20, 30]), "lon": ("cell", [5.0, 355, 5, 100])}
    dataset = xr.Dataset({"v": ("cell", [0.0, 1, 2, 3])}, coords)
    found = cut(dataset, lat=(0, 20), lon=(-10, 10))
    assert found.v.values.tolist() == [0, 1, 2]
    assert found.lon.values.tolist() == [5, -5, 5]


def test_an_axis_may_not_be_named_twice_or_be_unknown():
    with pytest.raises(InvalidInput, match="'lat' and 'latitude' both mean the axis 'lat'"):
        cut(data.tas(), lat=(0, 10), latitude=(0, 10))
    with pytest.raises(InvalidInput, match="no axis 'plev'; the axes are") as caught:
        cut(data.tas(), plev=(0, 10))
    assert caught.value.locator == "domain"


def test_a_single_valued_axis_is_kept_or_refused():
    assert cut(data.tas(), height=(0, 10)).identical(data.tas())
    with pytest.raises(InvalidInput, match="the only value is 2 m"):
        cut(data.tas(), height=(5, 10))


def test_values_that_are_no_numbers_are_refused():
    for wrong in ("abc", "nan", float("inf")):
        with pytest.raises(InvalidInput, match="is no number"):
            cut(data.tas(), lat=(wrong, 10))


def test_selecting_stays_lazy():
    with dask.config.set(scheduler=no_compute):
        cut(data.tas().chunk(time=1), lat=(0, 50), lon=(-50, 50), time=(0, 60000))


def test_a_mask_makes_cells_missing_where_its_condition_is_true():
    masked = apply_mask(data.tas(), Mask("m.nc", "sftlf", "mask_data<0.5"), data.sftlf().sftlf)
    assert masked.tas.dims == ("time", "lat", "lon")
    assert masked.tas[:, :, :4].isnull().all()
    assert (masked.tas[:, :, 4:] == data.tas().tas[:, :, 4:]).all()
    assert masked.tas.attrs["units"] == "K"


def test_a_mask_may_test_the_data_themselves():
    masked = apply_mask(data.tas(), Mask("m.nc", "sftlf", "var_data > 210"), data.sftlf().sftlf)
    assert float(masked.tas.max()) == 210


def test_a_mask_on_another_grid_or_of_unknown_terms_is_refused():
    for operation, there, text in [
        ("mask_data<0.5", data.sftlf(nlat=4).sftlf, "axis 'lat'.*6 and 4 points"),
        ("tas<0.5", data.sftlf().sftlf, "must compare mask_data or var_data"),
        ("mask_data<", data.sftlf().sftlf, "cannot read the condition"),
    ]:
        with pytest.raises(InvalidInput, match=text) as caught:
            apply_mask(data.tas(), Mask("m.nc", "sftlf", operation), there)
        assert caught.value.locator == "domain"


def test_a_selection_keeps_saying_which_file_it_is_from():
    dataset = data.tas()
    dataset.encoding["source"] = "a.nc"
    assert cut(dataset, lat=(0, 50), lon=(-50, 50)).encoding["source"] == "a.nc"
