"""Results as NetCDF files: names, CF attributes, types, chunks, parts, and what errors leave."""

import dask.array
import netCDF4
import numpy as np
import pytest
import xarray as xr
from dask.base import compute
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.engine.write import write as write_fields
from compute_tasks.errors import TooLarge
from compute_tasks.outputs.files import Result, split, write
from compute_tasks.outputs.netcdf import WriteError, chunks
from compute_tasks.tests import data

CFTIME = xr.coders.CFDatetimeCoder(use_cftime=True)


def streamed(fields, guard):
    write_fields(fields, threads=2, memory_bytes=2**20, report=lambda share: None, guard=guard)


@pytest.fixture
def written(tmp_path):
    """Return a function that writes a dataset and returns the paths of its files."""

    def make(dataset, *, operation="op0", format="netcdf4", split_bytes=0):
        outputs = write(
            [Result(operation, "CDAT.subset", dataset)],
            tmp_path / "out",
            uid="0123456789abcdef",
            format=format,
            split_bytes=split_bytes,
            compute=compute,
            stream=streamed,
            finishing=lambda count: None,
        )
        return [output.path for output in outputs]

    return make


def opened(path, **options):
    return xr.open_dataset(path, decode_times=CFTIME, decode_coords="all", **options).load()


def raw(path):
    return netCDF4.Dataset(path)


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
@pytest.mark.parametrize(
    ("calendar", "years"), [("noleap", (2000,)), ("360_day", (0, 1)), ("standard", (1582,))]
)
@pytest.mark.parametrize("lazy", [True, False], ids=["dask", "numpy"])
def test_a_result_reads_back_as_it_was(written, format, calendar, years, lazy):
    units = "days since 0001-01-01" if years[0] < 1 else data.TIME_UNITS
    dataset = data.tas(years, calendar, missing=True, descending=True, units=units)
    (path,) = written(dataset.chunk(time=5) if lazy else dataset, format=format)
    back = opened(path)
    xr.testing.assert_equal(back, dataset)
    assert back.tas.dtype == np.float32
    assert back.time.encoding["units"] == units
    assert back.time.encoding["calendar"] == calendar
    assert back.time.encoding["dtype"] == np.float64
    assert {"time_bnds", "lat_bnds", "height"} <= set(back.coords)


def test_times_and_their_bounds_are_stored_in_the_same_units(written):
    with raw(written(data.tas())[0]) as file:
        assert file["time"].units == data.TIME_UNITS
        assert file["time"].bounds == "time_bnds"
        assert file["time_bnds"].ncattrs() == []
        np.testing.assert_allclose(file["time_bnds"][:].mean(axis=1), file["time"][:])


def test_the_name_tells_process_operation_run_and_period(written):
    (path,) = written(data.tas((2000, 2001)))
    assert path.name == "CDAT.subset_op0_01234567_20000116-20011216.nc"


def test_a_name_stays_inside_the_folder_and_different_ones_stay_different(written, tmp_path):
    names = {written(data.sftlf(), operation=name)[0] for name in ("../a b", "../a?b", "a-b")}
    assert len(names) == 3
    assert {path.parent for path in names} == {tmp_path / "out"}
    assert all(path.name.isascii() and " " not in path.name for path in names)


def test_data_are_compressed_and_have_one_fill_value_of_their_type(written):
    dataset = data.tas(nlat=40, nlon=60)
    dataset.tas.attrs["missing_value"] = np.float32(-99.9)
    dataset.tas.encoding |= {"scale_factor": 0.1, "dtype": "int16", "_FillValue": -999}
    with raw(written(dataset)[0]) as file:
        tas = file["tas"]
        assert tas.dtype == np.float32
        assert tas._FillValue == np.float32(1e20)
        assert tas._FillValue.dtype == np.float32
        assert {"missing_value", "scale_factor"}.isdisjoint(tas.ncattrs())
        assert tas.filters()["zlib"] and tas.filters()["shuffle"]
        assert tas.filters()["complevel"] == 1
        for name in ("time", "lat", "lat_bnds", "height"):
            assert "_FillValue" not in file[name].ncattrs()


def test_missing_values_are_stored_as_the_fill_value(written):
    dataset = data.tas(missing=True)
    with raw(written(dataset)[0]) as file:
        file.set_auto_mask(False)
        stored = file["tas"][:]
    np.testing.assert_array_equal(stored == np.float32(1e20), np.isnan(dataset.tas.values))


def test_references_to_what_is_not_there_are_removed(written):
    dataset = data.tas().drop_vars(["lat_bnds", "height"])
    dataset.tas.encoding |= {"grid_mapping": "crs", "coordinates": "height"}
    dataset.tas.attrs |= {"cell_measures": "area: areacella", "ancillary_variables": "flags"}
    dataset.attrs["external_variables"] = "areacella"
    with raw(written(dataset)[0]) as file:
        gone = {"grid_mapping", "coordinates", "cell_measures", "ancillary_variables"}
        assert gone.isdisjoint(file["tas"].ncattrs())
        assert "bounds" not in file["lat"].ncattrs()
        assert file["lon"].bounds == "lon_bnds"
        assert "external_variables" not in file.ncattrs()


def test_references_to_what_is_there_are_kept(written):
    dataset = data.tas().assign_coords(
        crs=((), 0, {"grid_mapping_name": "latitude_longitude"}),
        areacella=(("lat", "lon"), np.ones((6, 8)), {"units": "m2"}),
    )
    dataset.tas.encoding["grid_mapping"] = "crs"
    dataset.tas.attrs["cell_measures"] = "area: areacella volume: gone"
    with raw(written(dataset)[0]) as file:
        assert file["tas"].grid_mapping == "crs"
        assert file["tas"].cell_measures == "area: areacella"
        assert file["tas"].coordinates == "height"


def test_a_grid_mapping_that_computing_cut_loose_is_tied_again(written):
    dataset = data.tas().assign_coords(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    with raw(written(dataset.mean("time", keep_attrs=True))[0]) as file:
        assert file["tas"].grid_mapping == "crs"
        assert file["lat"].bounds == "lat_bnds"


def test_a_grid_mapping_that_fits_nothing_any_more_is_left_out(written):
    dataset = data.tas().assign_coords(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    assert set(opened(written(dataset.mean())[0]).variables) == {"tas", "height"}


def test_coordinates_of_axes_that_are_gone_are_left_out(written):
    dataset = data.tas()
    reduced = dataset.mean(("lat", "lon")).assign_coords(
        lat_bnds=dataset.lat_bnds.variable, lon_bnds=dataset.lon_bnds.variable
    )
    assert set(opened(written(reduced)[0]).variables) == {"tas", "time", "time_bnds", "height"}


def test_a_single_number_is_a_result_too(written):
    dataset = data.tas().mean()
    back = opened(written(dataset)[0])
    assert back.tas.shape == ()
    assert back.tas == dataset.tas
    assert written(dataset)[0].name == "CDAT.subset_op0_01234567.nc"


def test_a_picked_time_keeps_its_bounds(written):
    dataset = data.tas().isel(time=3)
    xr.testing.assert_equal(opened(written(dataset)[0]), dataset)


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
def test_an_empty_result_and_texts_can_be_written(written, format):
    names = np.array(["Zürich", "Oslo", ""])
    dataset = xr.Dataset(
        {"tas": (("time", "station"), np.zeros((0, 3), "float32"))},
        {"name": ("station", names), "label": ((), "all")},
    )
    back = opened(written(dataset, format=format)[0])
    assert back.tas.shape == (0, 3)
    assert list(back.name.values) == list(names)
    assert back.label.item() == "all"


@pytest.mark.parametrize(
    ("values", "stored"),
    [
        (np.array([1, -2], "int64"), "int32"),
        (np.array([2**40, 1], "int64"), "float64"),
        (np.array([200], "uint8"), "int16"),
        (np.array([60_000], "uint16"), "int32"),
        (np.array([4_000_000_000], "uint32"), "float64"),
        (np.array([True, False]), "int8"),
        (np.array([1.5], "float16"), "float32"),
    ],
)
def test_netcdf3_holds_each_type_in_one_that_fits(written, values, stored):
    dataset = xr.Dataset({"count": ("x", values)}, attrs={"n": 2**40, "flags": [1, 2], "ok": True})
    for form in (dataset, dataset.chunk(x=1)):
        with raw(written(form, format="netcdf3")[0]) as file:
            assert file.data_model == "NETCDF3_64BIT_OFFSET"
            assert file["count"].dtype in (np.dtype(stored), np.dtype("f8"))
            np.testing.assert_array_equal(file["count"][:], values)
            assert file.n == 2**40


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
def test_any_attribute_becomes_one_that_every_reader_knows(written, format):
    given = {
        "text": "Zürich",
        "empty": "",
        "bytes": b"abc",
        "texts": ["a", "b"],
        "flag": True,
        "small": 7,
        "large": 2**40,
        "unsigned": np.uint16([1, 65535]),
        "number": np.float32(1.5),
        "numbers": (1.0, 2.0),
        "none": None,
        "nothing": [],
        "odd": {"a": 1},
        "_NCProperties": "version=2",
    }
    dataset = data.sftlf()
    dataset.attrs = given
    dataset.sftlf.attrs |= given
    with raw(written(dataset, format=format)[0]) as file:
        for holder in (file, file["sftlf"]):
            found = {name: holder.getncattr(name) for name in holder.ncattrs() if name in given}
            assert found.keys() == given.keys() - {"none", "nothing", "_NCProperties"}
            assert (found["text"], found["empty"], found["bytes"]) == ("Zürich", "", "abc")
            assert (found["texts"], found["odd"]) == ("a b", "{'a': 1}")
            assert (found["flag"], found["small"], found["large"]) == (1, 7, 2**40)
            assert found["small"].dtype == np.int32
            assert list(found["unsigned"]) == [1, 65535]
            assert (found["number"], list(found["numbers"])) == (1.5, [1.0, 2.0])


def test_netcdf3_refuses_a_variable_it_cannot_hold(written, tmp_path):
    dataset = xr.Dataset({"tas": ("x", dask.array.zeros(2**30, dtype="float32"))})
    with pytest.raises(TooLarge, match="choose netcdf4 or a smaller domain"):
        written(dataset, format="netcdf3")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_large_result_is_split_along_its_longest_axis(written):
    dataset = data.tas((2000, 2001), missing=True)
    paths = written(dataset.chunk(time=7), split_bytes=dataset.tas.nbytes // 3 + 1)
    assert [path.name for path in paths] == [
        "CDAT.subset_op0_01234567_20000116-20000816_000.nc",
        "CDAT.subset_op0_01234567_20000916-20010416_001.nc",
        "CDAT.subset_op0_01234567_20010516-20011216_002.nc",
    ]
    parts = [opened(path) for path in paths]
    assert len({part.attrs["tracking_id"] for part in parts}) == 3
    joined = xr.concat(parts, "time", data_vars="minimal", coords="minimal", compat="override")
    xr.testing.assert_equal(joined.tas, dataset.tas)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 5000))
@settings(max_examples=50, deadline=None)
def test_parts_together_are_the_whole(ntime, nlon, limit):
    values = np.arange(ntime * nlon, dtype="float64").reshape(ntime, nlon)
    dataset = xr.Dataset({"tas": (("time", "lon"), values)})
    parts = split(dataset, limit)
    longest = "time" if ntime >= nlon else "lon"
    assert all(part.sizes[longest] for part in parts)
    xr.testing.assert_identical(xr.concat(parts, longest), dataset)


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=4), st.sampled_from([1, 4, 8]))
def test_chunks_fit_the_array_and_a_few_megabytes(shape, itemsize):
    found = chunks(tuple(shape), itemsize)
    assert all(1 <= part <= whole for part, whole in zip(found, shape, strict=True))
    assert np.prod(found, dtype=float) * itemsize <= 2**22


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((36500,), (36500,)),
        ((3650, 192, 288), (1, 192, 288)),
        ((365, 19, 192, 288), (1, 1, 192, 288)),
        ((1_000_000, 1, 1), (262_144, 1, 1)),
        ((10, 4000, 4000), (1, 262, 4000)),
    ],
)
def test_small_arrays_are_one_chunk_and_maps_one_each(shape, expected):
    assert chunks(shape, 4) == expected


class Broken:
    """An array whose reading fails."""

    shape, dtype, ndim = (4,), np.dtype("f4"), 1

    def __getitem__(self, index):
        raise OSError("gone")


def test_an_error_while_computing_leaves_no_file(written, tmp_path):
    broken = dask.array.from_array(Broken(), chunks=2, meta=np.empty(0, "f4"))
    with pytest.raises(OSError, match="gone"):
        written(xr.Dataset({"tas": ("x", broken)}))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_file_of_an_earlier_killed_run_is_replaced(written, tmp_path):
    (tmp_path / "out").mkdir()
    left = tmp_path / "out" / ".CDAT.subset_op0_01234567.nc.part"
    left.write_bytes(b"half")
    (path,) = written(data.sftlf())
    assert not left.exists()
    assert opened(path).sftlf.shape == (6, 8)


def test_a_folder_that_cannot_be_made_is_a_write_error_without_its_path(written, tmp_path):
    (tmp_path / "out").write_text("a file in the way")
    with pytest.raises(WriteError) as caught:
        written(data.sftlf())
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
def test_a_grid_mapping_without_a_map_is_left_out(written, format):
    rotated = {"grid_mapping_name": "rotated_latitude_longitude"}
    dataset = data.tas().assign_coords(crs=((), b"", rotated))
    dataset.tas.encoding["grid_mapping"] = "crs"
    mean = dataset.mean(("lat", "lon"), keep_attrs=True).assign_coords(crs=dataset.crs)
    mean.tas.encoding["grid_mapping"] = "crs"
    with raw(written(mean, format=format)[0]) as file:
        assert "grid_mapping" not in file["tas"].ncattrs()
        assert "crs" not in file.variables
    with raw(written(dataset.isel(lat=0, lon=0), format=format)[0]) as file:
        assert file["tas"].grid_mapping == "crs"
        assert (file["crs"].dtype, file["crs"].dimensions) == ("S1", ())


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
def test_texts_are_characters_which_more_programs_read_than_strings(written, format):
    names = np.array(["Zürich", "Oslo", ""], dtype=object)
    dataset = xr.Dataset({"tas": ("station", np.zeros(3))}, {"name": ("station", names)})
    with raw(written(dataset, format=format)[0]) as file:
        assert file["name"].dtype == "S1"
        assert file["name"].dimensions == ("station", "string7")


@pytest.mark.parametrize(
    ("units", "calendar"),
    [("months since 2000-01-01", "360_day"), ("common_years since 2000-01-01", "noleap")],
)
def test_times_in_months_and_years_keep_their_units(written, units, calendar):
    dataset = data.tas((2000, 2001), calendar, units=units)
    path = written(dataset)[0]
    with raw(path) as file:
        assert (file["time"].units, file["time"].calendar) == (units, calendar)
        dates = netCDF4.num2date(file["time"][:], units, calendar)
        edges = netCDF4.num2date(file["time_bnds"][:], units, calendar)
    assert list(dates) == list(dataset.time.values)
    assert edges.tolist() == dataset.time_bnds.values.tolist()


def test_a_header_reads_from_the_axes_to_the_data(written):
    dataset = data.tas()
    mixed = dataset[["lon_bnds", "tas", "height", "lat", "time_bnds", "lon", "time", "lat_bnds"]]
    with raw(written(mixed)[0]) as file:
        names = list(file.variables)
    assert (names[:3], names[-1]) == (["time", "lat", "lon"], "tas")


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
def test_numbers_in_the_byte_order_of_another_machine_are_written_in_ours(written, format):
    dataset = data.tas()
    swapped = dataset.assign(tas=dataset.tas.astype(">f4")).assign_coords(
        lat_bnds=dataset.lat_bnds.astype(">f8")
    )
    (path,) = written(swapped, format=format)
    xr.testing.assert_equal(opened(path), dataset)
