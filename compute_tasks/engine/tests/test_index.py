"""The chunk index says where things are, and is kept for exactly as long as that is true."""

import os
from pathlib import Path

import h5py
import netCDF4
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute_tasks.engine import cache, index
from compute_tasks.engine.index import index_file
from compute_tasks.engine.layout import (
    NEVER_WRITTEN,
    PIECE_BYTES,
    DamagedFileError,
    FileIndex,
    Identity,
    contiguous,
)
from compute_tasks.engine.reader import read
from compute_tasks.engine.tests.files import File, files, values_of


def everything(found: FileIndex, name: str = "v") -> np.ndarray:
    """Read a whole variable by an index."""
    variable = found.variables[name]
    return read(found.identity, variable, [slice(None)] * len(variable.shape))


@pytest.fixture
def chunked(tmp_path: Path) -> Path:
    """Return a file of six deflated chunks of a variable `v` that counts from 0."""
    storage = {"compression": "zlib", "shuffle": True, "chunksizes": (2, 4)}
    file = File("NETCDF4", (6, 8), "f4", storage=storage)
    return file.write(tmp_path / "v.nc", np.arange(48, dtype="f4").reshape(6, 8))


def test_chunks_are_where_hdf5_says(chunked: Path) -> None:
    variable = index_file(chunked).variables["v"]
    assert (variable.shape, variable.chunk, variable.offsets.shape) == ((6, 8), (2, 4), (3, 2))
    assert [step.number for step in variable.filters] == [2, 1]
    with h5py.File(chunked) as file:
        for number in range(6):
            info = file["v"].id.get_chunk_info(number)
            place = (info.chunk_offset[0] // 2, info.chunk_offset[1] // 4)
            assert variable.offsets[place] == info.byte_offset
            assert variable.sizes[place] == info.size


def test_chunks_never_written_are_marked(tmp_path: Path) -> None:
    storage = {"compression": "zlib", "chunksizes": (2,), "fill_value": -5}
    file = File("NETCDF4", (6,), "i2", storage=storage, written=(slice(2, 4),))
    found = index_file(file.write(tmp_path / "v.nc", np.arange(6, dtype="i2")))
    assert list(found.variables["v"].offsets == NEVER_WRITTEN) == [True, False, True]
    assert list(everything(found)) == [-5, -5, 2, 3, -5, -5]


def test_a_contiguous_variable_is_cut_into_pieces_of_one_run() -> None:
    variable = contiguous("v", (3000, 300, 50), np.dtype("f4"), 1000)
    steps = PIECE_BYTES // (300 * 50 * 4)
    assert variable.chunk == (steps, 300, 50)
    assert variable.offsets[2, 0, 0] == 1000 + 2 * steps * 300 * 50 * 4
    assert variable.sizes.sum() == 3000 * 300 * 50 * 4


def test_records_of_a_classic_file_lie_their_distance_apart(tmp_path: Path) -> None:
    file = File("NETCDF3_CLASSIC", (5, 3), "f4", unlimited=True, companion=True)
    values = np.arange(15, dtype="f4").reshape(5, 3)
    found = index_file(file.write(tmp_path / "v.nc", values))
    assert set(np.diff(found.variables["v"].offsets.ravel())) == {12 + 4}
    np.testing.assert_array_equal(everything(found), values)


def test_a_compact_variable_is_in_the_index_itself(tmp_path: Path) -> None:
    values = np.arange(5, dtype=">i4")
    with h5py.File(tmp_path / "c.nc", "w") as file:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_layout(h5py.h5d.COMPACT)
        space = h5py.h5s.create_simple((5,))
        made = h5py.h5d.create(file.id, b"v", h5py.h5t.py_create(values.dtype), space, creation)
        h5py.Dataset(made)[...] = values
    for _ in range(2):
        found = index_file(tmp_path / "c.nc", tmp_path / "cache")
        index._index.cache_clear()
        assert found.variables["v"].inline == values.tobytes()
        key = [np.array([4, 0, 0])]
        assert list(read(found.identity, found.variables["v"], key)) == [4, 0, 0]


def test_a_file_with_a_user_block_is_left_to_the_library(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "u.nc", "w", userblock_size=512) as file:
        file["v"] = np.arange(3)
    found = index_file(tmp_path / "u.nc")
    assert (dict(found.variables), dict(found.refused)) == ({}, {"": "a user block"})


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"scaleoffset": 0}, "filter scaleoffset"),
        ({"dtype": h5py.enum_dtype({"a": 1})}, "data type"),
        ({"dtype": "f2"}, "data type"),
        ({"dtype": "c8"}, "data type"),
    ],
)
def test_what_is_not_known_is_named(
    tmp_path: Path, options: dict[str, object], reason: str
) -> None:
    with h5py.File(tmp_path / "u.nc", "w") as file:
        file.create_dataset("v", (10,), **({"dtype": "i4"} | options))
    found = index_file(tmp_path / "u.nc")
    assert "v" not in found.variables
    assert found.refused["v"].startswith(reason)


def test_a_variable_in_another_file_is_left_to_the_library(tmp_path: Path) -> None:
    layout = h5py.VirtualLayout((3,), "i4")
    with h5py.File(tmp_path / "v.nc", "w") as file:
        file.create_dataset("outside", (3,), "i4", external=[(str(tmp_path / "raw"), 0, 12)])
        file.create_virtual_dataset("virtual", layout)
    assert set(index_file(tmp_path / "v.nc").refused) == {"outside", "virtual"}


@settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(file=files(), number=st.integers(0, 10**9))
def test_an_index_read_from_disk_is_the_one_saved(tmp_path: Path, file: File, number: int) -> None:
    path = file.write(tmp_path / f"{number}.nc", values_of(file, 0))
    built = index._built(Identity.of(path))
    cache.save(built, tmp_path / "cache")
    kept = cache.load(built.identity, tmp_path / "cache")
    assert kept is not None
    assert kept.refused == built.refused
    assert kept.variables.keys() == built.variables.keys()
    for name, variable in built.variables.items():
        again = kept.variables[name]
        for attribute in ("shape", "dtype", "chunk", "filters", "inline", "fill"):
            np.testing.assert_equal(getattr(again, attribute), getattr(variable, attribute))
        for attribute in ("offsets", "sizes", "masks"):
            np.testing.assert_array_equal(getattr(again, attribute), getattr(variable, attribute))


def test_a_file_is_indexed_once_between_processes(
    chunked: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = everything(index_file(chunked, tmp_path / "cache"))
    index._index.cache_clear()
    monkeypatch.setattr(index, "_built", lambda identity: pytest.fail("built again"))
    np.testing.assert_array_equal(everything(index_file(chunked, tmp_path / "cache")), first)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty"])
def test_a_damaged_entry_is_built_again(chunked: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "cache"
    expected = everything(index_file(chunked, folder))
    index._index.cache_clear()
    [entry] = folder.iterdir()
    whole = entry.read_bytes()
    middle = len(whole) // 2
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    entry.write_bytes({"truncated": whole[:middle], "flipped": flipped, "empty": b""}[damage])
    np.testing.assert_array_equal(everything(index_file(chunked, folder)), expected)
    assert entry.read_bytes() == whole


def test_a_changed_file_is_indexed_anew_in_the_same_entry(chunked: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    index_file(chunked, folder)
    with netCDF4.Dataset(chunked, "a") as dataset:
        dataset["v"][:] = np.arange(48).reshape(6, 8)[::-1] ** 2
    # Two writes within one tick of the file system's clock are not what this is about.
    os.utime(chunked, ns=(1, 1))
    assert everything(index_file(chunked, folder))[5, 7] == 7**2
    assert len(list(folder.iterdir())) == 1


def test_a_folder_that_cannot_be_written_to_does_not_matter(chunked: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "v" in index_file(chunked, tmp_path / "file").variables


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_an_error(tmp_path: Path, format: str, share: float) -> None:
    file = File(format, (50, 50), "f4")
    path = file.write(tmp_path / "v.nc", np.ones((50, 50), "f4"))
    os.truncate(path, int(path.stat().st_size * share))
    with pytest.raises(OSError):
        index_file(path)


def test_a_chunk_outside_the_file_is_an_error(chunked: Path) -> None:
    variable = index_file(chunked).variables["v"]
    last = int(variable.offsets.max()).to_bytes(8, "little")
    content = chunked.read_bytes()
    assert content.count(last) == 1
    chunked.write_bytes(content.replace(last, (len(content) - 1).to_bytes(8, "little")))
    with pytest.raises(DamagedFileError, match="outside the file"):
        index_file(chunked)


def test_edge_chunks_that_may_be_unfiltered_are_left_to_the_library(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.nc", "w") as file:
        data = file.create_dataset("v", (6,), "i4", chunks=(4,), compression="gzip")
        data.id.write_direct_chunk((4,), np.arange(4, dtype="i4").tobytes(), filter_mask=0)
    assert "edge" in index_file(tmp_path / "v.nc").refused["v"]
