"""Reading hyperslabs: only what is needed, and never a wrong value from a damaged file."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute_tasks.engine import bytes as file_bytes
from compute_tasks.engine import threads
from compute_tasks.engine.index import index_file
from compute_tasks.engine.layout import DamagedFileError, FileIndex
from compute_tasks.engine.reader import INLINE_BYTES, read
from compute_tasks.engine.tests.files import File, keys, values_of

SETTINGS = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ALL = (slice(None), slice(None))


def write_chunked(path: Path, values: np.ndarray, **storage: object) -> FileIndex:
    """Write the values in chunks of two rows, deflated unless told otherwise, and index them."""
    options = {"compression": "zlib", "shuffle": True, "chunksizes": (2, *values.shape[1:])}
    file = File("NETCDF4", values.shape, values.dtype.str, storage=options | storage)
    return index_file(file.write(path, values))


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Return a list to which every read of the file adds its offset and length in bytes."""
    seen: list[tuple[int, int]] = []
    preadv = os.preadv

    def counted(descriptor: int, buffers: list[memoryview], offset: int) -> int:
        count = preadv(descriptor, buffers, offset)
        seen.append((offset, count))
        return count

    monkeypatch.setattr(file_bytes.os, "preadv", counted)
    return seen


def test_only_the_chunks_needed_are_read(tmp_path: Path, pieces: list[tuple[int, int]]) -> None:
    values = np.arange(100.0).reshape(20, 5)
    index = write_chunked(tmp_path / "v.nc", values)
    variable = index.variables["v"]
    found = read(index.identity, variable, (slice(1, 20, 12), np.array([3, 1])))
    np.testing.assert_array_equal(found, values[1:20:12][:, [3, 1]])
    assert sorted(offset for offset, _ in pieces) == sorted(variable.offsets[[0, 6], 0].tolist())


def test_a_box_of_a_contiguous_variable_reads_little_more(
    tmp_path: Path, pieces: list[tuple[int, int]]
) -> None:
    file = File("NETCDF3_64BIT_OFFSET", (10, 200, 300), "f8")
    values = np.arange(600_000.0).reshape(file.shape)
    index = index_file(file.write(tmp_path / "v.nc", values))
    box = (slice(2, 4), slice(50, 60), slice(100, 110))
    np.testing.assert_array_equal(read(index.identity, index.variables["v"], box), values[box])
    assert sum(count for _, count in pieces) <= 2 * 10 * 300 * 8


@SETTINGS
@given(seed=st.integers(0, 100), chosen=st.data(), swapped=st.booleans(), raw=st.booleans())
def test_reads_large_enough_for_threads_are_the_same(
    tmp_path: Path, seed: int, chosen: st.DataObject, swapped: bool, raw: bool
) -> None:
    path = tmp_path / f"{swapped}{raw}.nc"
    shape = (300, 40, 30)
    values = values_of(File("NETCDF4", shape, "i4"), 0)
    if not path.exists():
        storage: dict[str, object] = {"endian": "big" if swapped else "little"}
        if raw:
            storage |= {"compression": None, "shuffle": False, "contiguous": True}
            storage["chunksizes"] = None
        else:
            storage["chunksizes"] = (7, 40, 11)
        write_chunked(path, values, **storage)
    index = index_file(path)
    key = (slice(None), *chosen.draw(keys(shape[1:])))
    expected = values
    for axis in (2, 1):
        one = (slice(None),) * axis + (key[axis],)
        expected = expected[one]
    np.testing.assert_array_equal(read(index.identity, index.variables["v"], key), expected)


def test_the_result_is_the_same_in_any_number_of_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.random.default_rng(0).random((100, 2000))
    assert values.nbytes > INLINE_BYTES
    index = write_chunked(tmp_path / "v.nc", values)
    for width in (1, 2, 8):
        monkeypatch.setattr(threads, "width", lambda width=width: width)
        threads._pool.cache_clear()
        np.testing.assert_array_equal(read(index.identity, index.variables["v"], ALL), values)
    threads._pool.cache_clear()


def test_a_forked_process_reads_too(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((100, 2000))
    index = write_chunked(tmp_path / "v.nc", values)
    read(index.identity, index.variables["v"], ALL)
    child = os.fork()
    if child == 0:
        found = read(index.identity, index.variables["v"], ALL)
        os._exit(0 if (found == values).all() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize(
    "storage",
    [{}, {"fletcher32": True}, {"compression": "zstd", "fletcher32": True}],
)
def test_no_damaged_byte_of_a_chunk_gives_a_wrong_value(
    tmp_path: Path, storage: dict[str, object]
) -> None:
    path = tmp_path / "v.nc"
    values = np.arange(8, dtype="f4").reshape(2, 4)
    variable = write_chunked(path, values, **storage).variables["v"]
    begin, size = int(variable.offsets[0, 0]), int(variable.sizes[0, 0])
    whole = path.read_bytes()
    for place in range(begin, begin + size):
        for bit in (1, 16, 128):
            path.write_bytes(whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :])
            index = index_file(path)
            try:
                found = read(index.identity, index.variables["v"], ALL)
            except DamagedFileError as error:
                assert str(error).startswith("v.nc: variable 'v', chunk (0, 0): ")
            else:
                np.testing.assert_array_equal(found, values)


def test_a_chunk_that_inflates_to_another_length_is_an_error(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "v.nc", "w") as file:
        data = file.create_dataset("v", (4,), "i4", chunks=(4,), compression="gzip")
        short = file.create_dataset("short", (3,), "i4", chunks=(3,), compression="gzip")
        short[:] = 1
        data.id.write_direct_chunk((0,), short.id.read_direct_chunk((0,))[1])
    index = index_file(tmp_path / "v.nc")
    with pytest.raises(DamagedFileError, match="12 bytes instead of 16"):
        read(index.identity, index.variables["v"], (slice(None),))


@pytest.mark.parametrize("itemsize", [1, 2, 4, 8])
@pytest.mark.parametrize("length", [1, 5, 5000])
def test_the_checksum_is_that_of_hdf5(tmp_path: Path, itemsize: int, length: int) -> None:
    values = np.random.default_rng(itemsize).integers(0, 2**7, length, f"u{itemsize}")
    values[-1] = 2 ** (8 * itemsize) - 1
    with h5py.File(tmp_path / "v.nc", "w") as file:
        file.create_dataset("v", data=values, chunks=(length,), fletcher32=True)
    index = index_file(tmp_path / "v.nc")
    found = read(index.identity, index.variables["v"], (slice(None),))
    np.testing.assert_array_equal(found, values)


def test_filters_that_a_chunk_went_without_are_not_undone(tmp_path: Path) -> None:
    values = np.arange(8, dtype="i4")
    with h5py.File(tmp_path / "v.nc", "w") as file:
        data = file.create_dataset("v", (8,), "i4", chunks=(4,), compression="gzip", shuffle=True)
        data[:4] = values[:4]
        data.id.write_direct_chunk((4,), values[4:].tobytes(), filter_mask=0b11)
    index = index_file(tmp_path / "v.nc")
    found = read(index.identity, index.variables["v"], (slice(None),))
    np.testing.assert_array_equal(found, values)


def test_a_file_changed_after_it_was_opened_is_an_error(tmp_path: Path) -> None:
    index = write_chunked(tmp_path / "v.nc", np.ones((4, 4)))
    os.utime(tmp_path / "v.nc", ns=(1, 1))
    with pytest.raises(DamagedFileError, match=r"v\.nc was changed"):
        read(index.identity, index.variables["v"], ALL)


def test_a_failure_in_a_thread_is_raised_after_the_others_have_ended(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((100, 2000))
    index = write_chunked(tmp_path / "v.nc", values)
    place = int(index.variables["v"].offsets[30, 0])
    with (tmp_path / "v.nc").open("r+b") as file:
        file.seek(place)
        file.write(b"damage" * 100)
    index = index_file(tmp_path / "v.nc")
    with pytest.raises(DamagedFileError, match=r"chunk \(30, 0\): it cannot be decompressed"):
        read(index.identity, index.variables["v"], ALL)


def test_an_index_outside_the_variable_is_an_index_error(tmp_path: Path) -> None:
    index = write_chunked(tmp_path / "v.nc", np.ones((4, 4)))
    for key in (4, -5, np.array([0, 4])):
        with pytest.raises(IndexError):
            read(index.identity, index.variables["v"], (key, slice(None)))
