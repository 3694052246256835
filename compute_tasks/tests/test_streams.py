"""What streams gives the files that xarray and dask give, whatever the request and the files."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute_tasks.engine import blocks
from compute_tasks.errors import Cancelled, TaskError, TooLarge
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, open_source
from compute_tasks.tests import data
from compute_tasks.tests.random_requests import (
    Operation,
    Request,
    assert_same,
    by_dask,
    computed,
    requests,
    written,
)


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make even small files be cut into many units, tiles and blocks."""
    for name, value in {
        "BLOCK_BYTES": 256,
        "UNIT_BYTES": 1024,
        "TILE_BYTES": 512,
        "WIDE": 4,
    }.items():
        monkeypatch.setattr(blocks, name, value)


@pytest.mark.usefixtures("small_blocks")
@settings(
    max_examples=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(request=requests())
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_any_request_gives_the_file_that_xarray_and_dask_give(
    tmp_path_factory: pytest.TempPathFactory, request: Request
) -> None:
    folder = tmp_path_factory.mktemp("streams")
    paths = written(folder, request.files)
    found = computed(folder, paths, request)
    told: list[str] = []
    with by_dask():
        wanted = computed(folder, paths, request, decided=told.extend)
    assert not any("streamed" in text for text in told)
    assert_same(found, wanted)


def damaged(path: Path, place: int, kind: str) -> None:
    content = bytearray(path.read_bytes())
    place = place % len(content)
    if kind == "cut":
        del content[place:]
    else:
        content[place] ^= 1 << (place % 8)
    path.write_bytes(content)


def numbers_of(dataset: Any) -> np.ndarray:
    return np.asarray(dataset.tas.values, "f8")


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    place=st.integers(0, 1 << 20),
    kind=st.sampled_from(["cut", "flip", "flip", "flip"]),
    operation=st.sampled_from(
        [
            {"name": "CDAT.mean", "axes": "time"},
            {"name": "CDAT.subset"},
            {"name": "CDAT.anomaly"},
        ]
    ),
)
def test_a_damaged_file_gives_an_error_or_the_right_answer(
    tmp_path_factory: pytest.TempPathFactory, place: int, kind: str, operation: Operation
) -> None:
    """Checksums of the chunks make damage inside the values known."""
    folder = tmp_path_factory.mktemp("damaged")
    dataset = data.tas((2000,), nlat=3, nlon=4)
    stored_as = {"zlib": True, "shuffle": True, "fletcher32": True, "chunksizes": (1, 3, 4)}
    [path] = written(folder, [(dataset, stored_as)])
    request = Request([], [{**operation, "result": "r", "input": ["v0"]}], {})
    wanted = computed(folder, [path], request)
    damaged(path, place, kind)
    found = computed(folder, [path], request)
    if isinstance(found, tuple):
        assert issubclass(found[0], TaskError)
    elif (found.tas.dims, found.tas.shape) == (wanted.tas.dims, wanted.tas.shape):
        assert found.tas.attrs != wanted.tas.attrs or np.array_equal(
            numbers_of(found), numbers_of(wanted), equal_nan=True
        )


def test_an_average_with_weights_of_another_file_streams(tmp_path: Path) -> None:
    land = data.sftlf().rename(sftlf="tas")
    paths = written(tmp_path, [(data.tas(missing=True), {}), (land, {})])
    average = {"name": "CDAT.average", "result": "r", "input": ["v0", "v1"]}
    told: list[str] = []
    found = computed(tmp_path, paths, Request([], [average], {}), decided=told.extend)
    assert told == ["tas: streamed, weighted mean over lat and lon of 1 file"]
    with by_dask():
        wanted = computed(tmp_path, paths, Request([], [average], {}), decided=told.extend)
    assert told[1:] == ["tas: by xarray and dask, because as the test wants it"]
    assert_same(found, wanted)


def large(folder: Path) -> Path:
    """Write a file that is computed in many units."""
    dataset = data.tas(range(2000, 2003), frequency="day", nlat=96, nlon=144)
    return data.write(dataset, folder / "tas.nc", chunksizes=(1, 96, 144), zlib=True, complevel=1)


ENDINGS: list[Operation] = [
    {"name": "CDAT.mean", "axes": "time"},
    {"name": "CDAT.subset", "domain": "d"},
    {"name": "CDAT.anomaly"},
]


@pytest.mark.parametrize("operation", ENDINGS, ids=lambda operation: operation["name"])
def test_progress_rises_while_streaming_and_a_dismissed_run_ends_soon(
    tmp_path: Path, operation: Operation
) -> None:
    path = large(tmp_path)
    request = Request([], [{**operation, "result": "r", "input": ["v0"]}], {"lon": {"start": 2}})
    asked: list[int] = []
    whole = computed(tmp_path, [path], request, cancelled=lambda: bool(asked.append(1)))
    assert isinstance(whole, xr.Dataset)
    times = len(asked)
    assert times > 4
    asked.clear()

    def dismissed() -> bool:
        asked.append(1)
        return len(asked) > times // 2

    kind, *_ = computed(tmp_path, [path], request, cancelled=dismissed)
    assert kind is Cancelled
    assert len(asked) <= times // 2 + 1
    assert not list((tmp_path / "out").glob("*.part"))


def test_a_job_that_does_not_fit_is_refused_with_the_numbers(tmp_path: Path) -> None:
    path = large(tmp_path)
    request = Request(
        [], [{"name": "CDAT.mean", "axes": "time", "result": "r", "input": ["v0"]}], {}
    )
    kind, _, message = computed(tmp_path, [path], request, memory_bytes=10_000)
    assert issubclass(kind, TooLarge)
    assert "MB a job may have" in message


def test_little_memory_and_many_threads_change_no_bit(tmp_path: Path) -> None:
    path = large(tmp_path)
    for operation in ({"name": "CDAT.std", "axes": "time"}, {"name": "CDAT.climatology"}):
        request = Request([], [{**operation, "result": "r", "input": ["v0"]}], {})
        first = computed(tmp_path, [path], request, threads=1)
        for options in ({"threads": 8}, {"threads": 2, "memory_bytes": 30_000_000}):
            other = computed(tmp_path, [path], request, **options)
            assert other.tas.values.tobytes() == first.tas.values.tobytes()


def test_a_streamed_run_loads_no_more_than_it_needs(tmp_path: Path) -> None:
    path = data.write(data.tas(), tmp_path / "tas.nc")
    policy = SourcePolicy(roots=(tmp_path,), indexes=tmp_path / "kept")
    open_source(Variable("v0", "tas", str(path)), policy).close()
    code = f"""
import sys
from pathlib import Path
from compute_tasks.sources import SourcePolicy
from compute_tasks.tests.random_requests import Request, computed

folder = Path({str(tmp_path)!r})
policy = SourcePolicy(roots=(folder,), indexes=folder / "kept")

def loaded(operation, size, names):
    operation |= {{"result": "r", "input": ["v0"]}}
    request = Request([], [operation], {{"lat": {{"start": -50, "end": 50}}}})
    found = computed(folder, [folder / "tas.nc"], request, sources=policy)
    assert found.tas.size == size, found
    print([name for name in names if name in sys.modules])

loaded({{"name": "CDAT.mean", "axes": "time"}}, 48, ("h5py", "cf_xarray"))
loaded({{"name": "CDAT.average", "domain": "d"}}, 24, ("dask.base", "distributed", "scipy.sparse"))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout.split()) == (0, ["[]", "[]"]), ran.stderr
