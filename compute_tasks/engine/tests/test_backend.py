"""The backend gives what xarray's netcdf4 backend gives for the same file."""

import itertools
import logging
import pickle
import threading
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from compute_tasks.engine.index import index_file
from compute_tasks.engine.store import IndexedArray
from compute_tasks.engine.tests.files import File, files, keys, values_of
from compute_tasks.tests import data

NUMBERS = itertools.count()
MANY = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files")


def both(path: Path, **options: object) -> tuple[xr.Dataset, xr.Dataset]:
    """Open a file with the backend under test and the one it is held against."""
    ours = xr.open_dataset(path, engine="compute", **options)
    theirs = xr.open_dataset(path, engine="netcdf4", **options)
    return ours, theirs


def assert_same(ours: xr.DataArray, theirs: xr.DataArray) -> None:
    assert ours.dtype == theirs.dtype
    xr.testing.assert_identical(ours.load(), theirs.load())
    assert ours.values.dtype == theirs.values.dtype
    assert repr(ours.encoding) == repr(theirs.encoding)


def is_indexed(path: Path, name: str) -> bool:
    """Tell whether the variable is read by the chunk index and not by the library."""
    with xr.open_dataset(path, engine="compute", cache=False) as dataset:
        data = dataset.variables[name]._data
        while hasattr(data, "array"):
            data = data.array
        return isinstance(data, IndexedArray)


@MANY
@given(
    file=files(),
    seed=st.integers(0, 10),
    chosen=st.data(),
    mask_and_scale=st.booleans(),
)
def test_any_selection_of_any_file_is_the_same(
    folder: Path, file: File, seed: int, chosen: st.DataObject, mask_and_scale: bool
) -> None:
    path = file.write(folder / f"{next(NUMBERS)}.nc", values_of(file, seed))
    ours, theirs = both(path, mask_and_scale=mask_and_scale)
    with ours, theirs:
        key = dict(zip(theirs.v.dims, chosen.draw(keys(theirs.v.shape)), strict=True))
        # In memory, since xarray cannot take an empty reversed slice from a file.
        assert_same(ours.v.isel(key), theirs.v.load().isel(key))
        assert_same(ours.v, theirs.v)


@MANY
@given(file=files().filter(lambda file: len(file.shape) > 1), chosen=st.data())
def test_points_of_any_file_are_the_same(folder: Path, file: File, chosen: st.DataObject) -> None:
    path = file.write(folder / f"{next(NUMBERS)}.nc", values_of(file, 1))
    ours, theirs = both(path)
    with ours, theirs:
        points = {
            dim: xr.DataArray(
                chosen.draw(st.lists(st.integers(-n, n - 1), min_size=3, max_size=3)), dims="point"
            )
            for dim, n in theirs.v.sizes.items()
        }
        assert_same(ours.v.isel(points), theirs.v.isel(points))


@given(file=files())
@example(File("NETCDF4", (3,), "f4", storage={"compression": "zlib"}))
@settings(MANY, max_examples=60)
def test_every_file_is_read_by_its_index(folder: Path, file: File) -> None:
    # A companion would make the dimension longer than what is stored of the variable.
    file.companion = file.companion and not file.written
    path = file.write(folder / f"{next(NUMBERS)}.nc", values_of(file, 1))
    assert is_indexed(path, "v") or "edge" in index_file(path).refused["v"]


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_64BIT_OFFSET"])
def test_a_whole_dataset_is_identical_coordinates_and_encodings_included(
    tmp_path: Path, format: str
) -> None:
    path = data.write(data.ta(missing=True), tmp_path / "ta.nc", format=format)
    decoder = xr.coders.CFDatetimeCoder(use_cftime=True)
    for options in ({}, {"decode_coords": "all", "decode_times": decoder}, {"decode_cf": False}):
        ours, theirs = both(path, **options)
        with ours, theirs:
            xr.testing.assert_identical(ours, theirs)
            assert ours.encoding == theirs.encoding
            assert {n: v.encoding for n, v in ours.variables.items()} == {
                n: v.encoding for n, v in theirs.variables.items()
            }


def test_variables_of_a_group_are_read(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "g.nc", "w") as dataset:
        dataset.createDimension("x", 4)
        dataset.createVariable("v", "i4", ("x",))[:] = 1
        dataset.createVariable("a/b/v", "i4", ("x",), compression="zlib")[:] = np.arange(4)
    ours, theirs = both(tmp_path / "g.nc", group="a/b")
    with ours, theirs:
        xr.testing.assert_identical(ours, theirs)
        assert list(ours.v.values) == [0, 1, 2, 3]


def test_a_variable_named_as_a_dimension_it_does_not_lie_on_is_read(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "n.nc", "w") as dataset:
        dataset.createDimension("lat", 3)
        dataset.createDimension("x", 3)
        dataset.createVariable("lat", "f4", ("x",))[:] = [5, 6, 7]
    with xr.open_dataset(tmp_path / "n.nc", engine="compute") as ours:
        assert list(ours["lat"].values) == [5, 6, 7]


def test_a_variable_shorter_than_its_unlimited_dimension_ends_with_fill(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "s.nc", "w") as dataset:
        dataset.createDimension("t", None)
        dataset.createVariable("long", "f4", ("t",))[:6] = 1
        dataset.createVariable("short", "f4", ("t",), fill_value=-1)[:2] = 2
    ours, theirs = both(tmp_path / "s.nc")
    with ours, theirs:
        assert_same(ours.short, theirs.short)
        assert ours.short.isnull().sum() == 4


@pytest.mark.parametrize("filters", [{"compression": "bzip2"}, {"compression": "blosc_lz4"}])
def test_an_unknown_filter_is_left_to_the_library_and_said_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, filters: dict[str, object]
) -> None:
    file = File("NETCDF4", (60, 50), "f4", storage=filters)
    values = np.arange(3000, dtype="f4").reshape(60, 50)
    path = file.write(tmp_path / "f.nc", values)
    caplog.set_level(logging.INFO, "compute_tasks.engine")
    with xr.open_dataset(path, engine="compute") as ours:
        np.testing.assert_array_equal(ours.v.values, values)
    assert "f.nc: variable v is read by the NetCDF library: filter" in caplog.text


def test_text_is_left_to_the_library(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "t.nc", "w") as dataset:
        dataset.createDimension("x", 2)
        dataset.createDimension("n", 5)
        dataset.createVariable("words", str, ("x",))[:] = np.array(["a", "bc"], object)
        dataset.createVariable("chars", "S1", ("x", "n"))[:] = np.array([list("abcde")] * 2, "S1")
    ours, theirs = both(tmp_path / "t.nc")
    with ours, theirs:
        xr.testing.assert_identical(ours.load(), theirs.load())


def test_a_lazy_dataset_survives_pickling(tmp_path: Path) -> None:
    path = data.write(data.tas(), tmp_path / "tas.nc", zlib=True)
    with xr.open_dataset(path, engine="compute", chunks={"time": 5}) as ours:
        expected = ours.tas.mean().values
        again = pickle.loads(pickle.dumps(ours))
        assert again.tas.mean().values == expected


def test_threads_read_the_same_variable_together(tmp_path: Path) -> None:
    file = File("NETCDF4", (40, 30, 30), "f4", storage={"compression": "zlib"})
    file.storage["chunksizes"] = (1, 30, 30)
    values = np.random.default_rng(0).random(file.shape, "f4")
    path = file.write(tmp_path / "v.nc", values)
    results: dict[int, np.ndarray] = {}
    with xr.open_dataset(path, engine="compute", cache=False) as ours:
        threads = [
            threading.Thread(target=lambda n=n: results.update({n: ours.v[n:].values}))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(results) == list(range(8))
    for number, result in results.items():
        np.testing.assert_array_equal(result, values[number:])


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        xr.open_dataset(tmp_path / "none.nc", engine="compute")


def test_a_file_damaged_in_any_byte_gives_an_error_or_the_right_values(tmp_path: Path) -> None:
    path = tmp_path / "v.nc"
    storage = {"compression": "zlib", "shuffle": True, "chunksizes": (1, 8)}
    values = np.arange(48, dtype="f4").reshape(6, 8)
    whole = File("NETCDF4", (6, 8), "f4", True, storage).write(path, values).read_bytes()
    failures = 0
    for place in range(0, len(whole), 23):
        damaged = bytes([whole[place] ^ 1 << place % 8])
        path.write_bytes(whole[:place] + damaged + whole[place + 1 :])
        try:
            with xr.open_dataset(path, engine="compute", decode_cf=False) as ours:
                np.testing.assert_array_equal(ours.v.values, values)
        except OSError:
            failures += 1
    assert failures


def test_a_relative_path_is_named_as_by_the_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    File("NETCDF4", (3,), "f4").write(tmp_path / "v.nc", np.ones(3, "f4"))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    ours, theirs = both(Path("../v.nc"))
    with ours, theirs:
        assert_same(ours.v, theirs.v)
        assert ours.encoding == theirs.encoding
