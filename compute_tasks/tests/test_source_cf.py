"""What real files bring: odd calendars, odd fill values, coordinates nobody refers to."""

import cftime
import netCDF4
import numpy as np
import pytest
import xarray as xr

from compute_tasks.errors import InvalidInput, SourceError
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, open_source
from compute_tasks.tests import data


@pytest.fixture
def written(tmp_path):
    """Write a file with netCDF4 itself, so that nothing tidies it, and open a variable of it."""

    def open_written(fill, variable="v", format="NETCDF4"):
        with netCDF4.Dataset(tmp_path / "x.nc", "w", format=format) as file:
            file.set_auto_maskandscale(False)
            for name, size in {"time": 3, "x": 2, "bnds": 2}.items():
                file.createDimension(name, size)
            fill(file)
        source = Variable("s", variable, str(tmp_path / "x.nc"))
        return open_source(source, SourcePolicy(roots=(tmp_path,)))

    return open_written


def add(file, name, dims, values, kind="f4", fill=None, **attributes):
    variable = file.createVariable(name, kind, dims, fill_value=fill)
    variable.set_auto_maskandscale(False)
    variable.setncatts(attributes)
    variable[...] = np.asarray(values, kind) if kind is not str else np.asarray(values, object)


@pytest.mark.parametrize(
    ("units", "calendar", "first"),
    [
        ("days since 2000-01-01", "360_day", cftime.Datetime360Day(2000, 2, 30)),
        ("days since 0000-01-01", "noleap", cftime.DatetimeNoLeap(0, 3, 1)),
        ("days since 0000-01-01", "proleptic_gregorian", None),
        ("days since 1-1-1", "standard", None),
        ("hours since 2000-01-01 00:00:00 UTC", "Gregorian", None),
        ("days since 2000-01-01", "julian", None),
        ("days since 2000-01-01", "365_day", None),
        ("days since 2000-01-01", None, None),
    ],
)
def test_times_of_every_calendar_are_cftime(written, units, calendar, first):
    def fill(file):
        attributes = {"calendar": calendar} if calendar else {}
        add(file, "time", ("time",), [59, 60, 61], "f8", units=units, **attributes)
        add(file, "v", ("time",), [1, 2, 3])

    opened = written(fill)
    assert all(isinstance(time, cftime.datetime) for time in opened.time.values)
    assert opened.time.encoding["units"] == units
    if first is not None:
        assert opened.time.values[0] == first


@pytest.mark.parametrize(
    ("units", "calendar"),
    [
        ("months since 2000-01-01", "noleap"),
        ("days since yesterday", "standard"),
        ("days since 0000-01-01", "standard"),
        ("days since 2000-01-01", "martian"),
    ],
)
def test_a_time_that_cannot_be_decoded_stays_as_numbers(written, caplog, units, calendar):
    def fill(file):
        attributes = {"units": units, "calendar": calendar, "bounds": "time_bnds"}
        add(file, "time", ("time",), [1, 2, 3], "f8", **attributes)
        add(file, "time_bnds", ("time", "bnds"), np.ones((3, 2)), "f8")
        add(file, "v", ("time",), [1, 2, 3])

    opened = written(fill).compute()
    assert opened.time.values.tolist() == [1, 2, 3]
    assert opened.time.attrs["units"] == units
    assert "left as numbers" in caplog.text
    assert units in caplog.text


def test_both_fill_values_of_a_variable_mean_missing_and_can_be_written(written, tmp_path):
    values = [[1, -99], [1e20, 4], [5, 6]]

    def fill(file):
        add(file, "v", ("time", "x"), values, fill=np.float32(1e20), missing_value=np.float32(-99))

    opened = written(fill).compute()
    assert np.isnan(opened.v.values).tolist() == [[False, True], [True, False], [False, False]]
    opened.to_netcdf(tmp_path / "out.nc")
    with xr.open_dataset(tmp_path / "out.nc") as again:
        np.testing.assert_array_equal(again.v, opened.v)


@pytest.mark.parametrize("missing", [1e20, "1e20", [1e20, 1e20]])
def test_a_fill_value_of_another_type_still_means_missing(written, tmp_path, missing):
    def fill(file):
        add(file, "v", ("x",), [1e20, 2], fill=np.float32(1e20), missing_value=missing)

    opened = written(fill).compute()
    assert np.isnan(opened.v.values).tolist() == [True, False]
    opened.to_netcdf(tmp_path / "out.nc")


def test_a_fill_value_that_cannot_be_one_is_ignored(written):
    def fill(file):
        add(file, "v", ("x",), [7, 8], "i2", missing_value=1e20)

    assert written(fill).v.values.tolist() == [7, 8]


def test_unsigned_bytes_and_their_fill_value_are_understood(written):
    def fill(file):
        add(file, "v", ("time",), [-1, -2, 5], "i1", fill=np.int8(-1), _Unsigned="true")

    values = written(fill).v.values
    assert np.isnan(values[0])
    assert values[1:].tolist() == [254, 5]


def test_areas_in_another_file_stay_referred_to(tmp_path):
    path = data.write(data.tas(), tmp_path / "tas.nc")
    opened = open_source(Variable("v", "tas", str(path)), SourcePolicy(roots=(tmp_path,)))
    assert opened.tas.attrs["cell_measures"] == "area: areacella"


def test_areas_and_grid_mapping_of_the_same_file_come_along(written):
    def fill(file):
        add(file, "areacella", ("x",), [1, 2], units="m2")
        add(file, "crs", (), 0, "i4", grid_mapping_name="rotated_latitude_longitude")
        measures = {"cell_measures": "area: areacella", "grid_mapping": "crs"}
        add(file, "v", ("x",), [1, 2], **measures)
        add(file, "w", ("x",), [1, 2])

    opened = written(fill)
    assert list(opened.data_vars) == ["v"]
    assert set(opened.coords) == {"areacella", "crs"}


def test_curvilinear_coordinates_come_along_even_if_nothing_refers_to_them(written):
    def fill(file):
        add(file, "nav_lat", ("time", "x"), np.zeros((3, 2)), standard_name="latitude")
        add(file, "nav_lon", ("time", "x"), np.zeros((3, 2)), units="degrees_east")
        add(file, "v", ("time", "x"), np.zeros((3, 2)))

    assert set(written(fill).coords) == {"nav_lat", "nav_lon"}


def test_text_coordinates_come_along_and_text_is_not_data(written):
    def fill(file):
        add(file, "region", ("x",), ["north", "south"], str)
        add(file, "v", ("x",), [1, 2], coordinates="region")

    assert written(fill).region.values.tolist() == ["north", "south"]
    with pytest.raises(InvalidInput, match=r"'region' .* holds text"):
        written(fill, "region")


def test_climatological_bounds_have_the_units_of_their_axis(written):
    def fill(file):
        attributes = {"units": "days since 2000-01-01", "climatology": "edges"}
        add(file, "time", ("time",), [1, 2, 3], "f8", **attributes)
        add(file, "edges", ("time", "bnds"), np.ones((3, 2)), "f8")
        add(file, "v", ("time",), [1, 2, 3])

    assert isinstance(written(fill).edges.values[0, 0], cftime.datetime)


def test_trouble_elsewhere_in_a_file_does_no_harm(written):
    def fill(file):
        add(file, "other_time", ("time",), [1, 2, 3], "f8", units="days since never")
        add(file, "square", ("x", "x"), np.zeros((2, 2)))
        references = {"bounds": "nowhere", "coordinates": "gone", "formula_terms": "a: b c d"}
        add(file, "x", ("x",), [1, 2], "f8", **references)
        add(file, "v", ("x",), [1, 2], grid_mapping="absent", ancillary_variables="flags")

    opened = written(fill).compute()
    assert opened.v.values.tolist() == [1, 2]
    assert opened.v.attrs["grid_mapping"] == "absent"


def test_a_variable_with_one_dimension_twice_is_refused(written):
    def fill(file):
        add(file, "v", ("x", "x"), np.zeros((2, 2)))

    with pytest.raises(InvalidInput, match="has one dimension twice"):
        written(fill)


def test_a_variable_in_days_stays_a_number(written):
    def fill(file):
        add(file, "v", ("x",), [1, 2], units="days")

    assert written(fill).v.values.tolist() == [1, 2]


def test_a_single_value_is_read(written):
    assert written(lambda file: add(file, "v", (), 5)).v.values == 5


def test_no_encoding_tells_where_the_file_lies(tmp_path):
    data.write(data.tas(), tmp_path / "tas.nc")
    opened = open_source(Variable("v", "tas", "tas.nc"), SourcePolicy(roots=(tmp_path,)))
    everything = [opened.encoding, opened.attrs]
    everything += [part for v in opened.variables.values() for part in (v.encoding, v.attrs)]
    assert str(tmp_path) not in str(everything)


@pytest.mark.parametrize("packing", [{}, {"scale_factor": 0.1}, {"scale_factor": np.float32(0.1)}])
@pytest.mark.parametrize("fill", [None, np.int16(-99)])
@pytest.mark.parametrize(
    "limits",
    [
        {"valid_range": np.array([-7, 7], "i2")},
        {"valid_min": np.int16(-7), "valid_max": np.int16(7)},
        {"valid_range": np.array([-7, 7], "i4")},
    ],
)
def test_values_outside_the_valid_range_are_missing(written, packing, fill, limits):
    stored = [[-8, -7], [-99, 7], [8, 0]]
    opened = written(
        lambda file: add(file, "v", ("time", "x"), stored, "i2", fill, **packing, **limits)
    )
    assert np.isnan(opened.v.values).tolist() == [[True, False], [True, False], [True, False]]
    assert opened.v.values[1, 1] == pytest.approx(7 * packing.get("scale_factor", 1))


@pytest.mark.parametrize(
    ("limits", "missing"),
    [
        ({"valid_range": np.array([0.1, 0.3])}, [True, False, False, True]),
        ({"valid_min": 0.2}, [True, True, False, False]),
        ({"valid_max": np.float32(0.3)}, [False, False, False, True]),
        ({"valid_range": np.array([3.0, 1.0])}, [False] * 4),
        ({"valid_range": "0 to 1", "valid_max": np.nan}, [False] * 4),
    ],
)
def test_a_valid_range_of_fractions_includes_its_ends(written, limits, missing):
    def fill(file):
        file.createDimension("n", 4)
        add(file, "v", ("n",), [0.0, 0.1, 0.3, 0.4], **limits)

    opened = written(fill)
    assert np.isnan(opened.v.values).tolist() == missing
    assert opened.v.dtype == np.float32


def test_a_valid_range_may_be_of_the_unpacked_values(written):
    def fill(file):
        unpacked = {"scale_factor": 0.5, "valid_range": np.array([1.0, 2.0])}
        add(file, "v", ("time",), [1, 2, 5], "i2", **unpacked)

    np.testing.assert_array_equal(written(fill).v, [np.nan, 1, np.nan])


def test_a_valid_range_of_unsigned_bytes_is_unsigned(written):
    def fill(file):
        unsigned = {"_Unsigned": "true", "valid_range": np.array([0, -2], "i1")}
        add(file, "v", ("time",), [-1, -2, 0], "i1", **unsigned)

    np.testing.assert_array_equal(written(fill).v, [np.nan, 254, 0])


def test_a_variable_without_points_is_refused_by_the_name_of_its_axis(written):
    def fill(file):
        file.createDimension("level", 0)
        add(file, "v", ("x", "level"), np.zeros((2, 0)))

    with pytest.raises(InvalidInput, match=r"'v' .* has no values, its axis level has no points"):
        written(fill)


def test_a_file_of_groups_is_refused_by_their_names(written):
    def fill(file):
        add(file, "time", ("time",), [1, 2, 3])
        add(file.createGroup("data"), "v", ("time",), [1, 2, 3])

    with pytest.raises(SourceError, match=r"variables in groups \(data\), which are not read"):
        written(fill)
