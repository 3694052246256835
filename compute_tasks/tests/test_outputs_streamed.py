"""Fields as files: what streams into a file is what is written from memory, by the same names."""

from typing import Any

import netCDF4
import numpy as np
import pytest
import xarray as xr
from dask.base import compute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute_tasks.engine import boxes
from compute_tasks.engine import write as writing
from compute_tasks.engine.expression import Pointwise
from compute_tasks.engine.field import Field
from compute_tasks.engine.write import write as write_fields
from compute_tasks.errors import Cancelled, TooLarge
from compute_tasks.outputs import netcdf
from compute_tasks.outputs.files import Result, write
from compute_tasks.tests import data

CFTIME = xr.coders.CFDatetimeCoder(use_cftime=True)
CHUNK_BYTES = 300


def never(share: float) -> None:
    pass


def written(
    folder,
    datasets,
    *,
    format="netcdf4",
    split_bytes=0,
    threads=2,
    report=never,
    memory_bytes=10**6,
):
    """Write datasets as results op0, op1, ... and return the paths of their files."""

    def stream(fields, guard):
        write_fields(fields, threads=threads, memory_bytes=memory_bytes, report=report, guard=guard)

    outputs = write(
        [Result(f"op{n}", "CDAT.subset", dataset) for n, dataset in enumerate(datasets)],
        folder,
        uid="0123456789abcdef",
        format=format,
        split_bytes=split_bytes,
        compute=compute,
        stream=stream,
        finishing=lambda count: None,
    )
    return [output.path for output in outputs]


def deferred(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with fields for arrays."""
    return dataset.assign(
        {name: (v.dims, Field(_node(v.values)), v.attrs) for name, v in dataset.data_vars.items()}
    )


def _node(values: np.ndarray) -> Pointwise:
    return Pointwise(np.copy, (values,), values.shape, values.dtype)


def opened(path, **options):
    return xr.open_dataset(path, decode_times=CFTIME, decode_coords="all", **options).load()


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Make even small arrays be stored in several chunks, some cut off by the end."""
    monkeypatch.setattr(netcdf, "WHOLE_BYTES", CHUNK_BYTES)
    monkeypatch.setattr(netcdf, "LEAST_MAP_BYTES", CHUNK_BYTES // 2)
    monkeypatch.setattr(writing, "SMALL_BYTES", CHUNK_BYTES)
    monkeypatch.setattr(writing, "RUN_BYTES", CHUNK_BYTES)
    monkeypatch.setattr(boxes, "WRITE_BYTES", 3 * CHUNK_BYTES)


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
@pytest.mark.parametrize("kind", ["f4", "f8", "f2", "i4", "i2", "u2", "?"])
def test_a_field_is_written_as_an_array_in_memory_is(tmp_path, format, kind):
    dataset = data.tas((2000,), missing=kind[0] == "f")
    dataset = dataset.assign(tas=dataset.tas.astype(kind))
    (plain,) = written(tmp_path / "a", [dataset], format=format)
    (streamed,) = written(tmp_path / "b", [deferred(dataset)], format=format)
    assert streamed.name == plain.name
    with netCDF4.Dataset(streamed) as found, netCDF4.Dataset(plain) as wanted:
        assert found.data_model == wanted.data_model
        for name, variable in wanted.variables.items():
            other = found.variables[name]
            variable.set_auto_mask(False), other.set_auto_mask(False)
            assert np.array_equal(other[...], variable[...])
            assert other.dtype == variable.dtype
            assert other.__dict__ == variable.__dict__
            assert (other.chunking(), other.filters()) == (variable.chunking(), variable.filters())
    xr.testing.assert_identical(opened(streamed), opened(plain))


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
@pytest.mark.parametrize("value", [273.25, np.nan])
def test_a_field_of_a_single_number_is_written_too(tmp_path, format, value):
    dataset = xr.Dataset({"tas": ((), np.float32(value))})
    (path,) = written(tmp_path, [deferred(dataset)], format=format)
    xr.testing.assert_equal(xr.load_dataset(path), dataset)


@st.composite
def arrays(draw: Any) -> np.ndarray:
    shape = draw(st.lists(st.integers(1, 40), min_size=1, max_size=3).map(tuple))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    values = random.normal(0, 1, shape).astype(draw(st.sampled_from(["f4", "f8"])))
    return np.where(random.random(shape) < draw(st.sampled_from([0, 0.4, 1])), np.nan, values)


@given(
    values=arrays(),
    format=st.sampled_from(["netcdf4", "netcdf3"]),
    split_bytes=st.sampled_from([0, 500, 3000]),
    threads=st.integers(1, 3),
)
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_array_reads_back_as_it_was(tmp_path, values, format, split_bytes, threads):
    dims = [f"d{axis}" for axis in range(values.ndim)]
    dataset = xr.Dataset({"v": (dims, values)})
    paths = written(
        tmp_path, [deferred(dataset)], format=format, split_bytes=split_bytes, threads=threads
    )
    longest = dims[int(np.argmax(values.shape))]
    parts = [xr.load_dataset(path).v for path in paths]
    whole = xr.concat(parts, longest).transpose(*dims) if len(parts) > 1 else parts[0]
    assert np.array_equal(whole.values, values, equal_nan=True)
    for path in paths:
        path.unlink()


def test_fields_dask_arrays_and_arrays_in_memory_go_into_the_files_of_one_job(tmp_path):
    tas = data.tas((2000,), missing=True)
    both = deferred(tas).assign(twin=tas.tas.chunk(time=5))
    shares: list[float] = []
    paths = written(tmp_path, [both, tas, deferred(tas)], report=shares.append)
    assert [path.name.split("_")[1] for path in paths] == ["op0", "op1", "op2"]
    for path in paths:
        xr.testing.assert_equal(opened(path).tas, tas.tas)
    xr.testing.assert_equal(opened(paths[0]).twin.drop_attrs(), tas.tas.drop_attrs())
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_cancelled_job_leaves_no_file(tmp_path):
    def cancel(share):
        raise Cancelled("the job was dismissed")

    with pytest.raises(Cancelled):
        written(tmp_path, [deferred(data.tas((2000,)))], report=cancel)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_computing_stays_what_it_is_and_leaves_no_file(tmp_path):
    def fail(values):
        raise ZeroDivisionError("a process went wrong")

    values = np.zeros((40, 50))
    node = Pointwise(fail, (values,), values.shape, values.dtype)
    with pytest.raises(ZeroDivisionError, match="a process went wrong"):
        written(tmp_path, [xr.Dataset({"v": (("x", "y"), Field(node))})])
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_computed_in_the_memory_of_a_job_is_refused_before_it_starts(tmp_path):
    with pytest.raises(TooLarge, match=r"computing tas needs about 1 MB of memory"):
        written(tmp_path, [deferred(data.tas((2000,)))], memory_bytes=500)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_of_a_large_netcdf3_variable_before_its_values(tmp_path):
    seen = []

    def look(fields, guard):
        seen.extend(field.path.stat().st_blocks * 512 for field in fields)

    node = _node(np.broadcast_to(np.float32(0), (1000, 100, 100)))
    attributes = {f"attribute_{n}": "text" * n for n in range(20)}
    dataset = xr.Dataset({"v": (("t", "y", "x"), Field(node), attributes)})
    write(
        [Result("op", "CDAT.subset", dataset)],
        tmp_path,
        uid="0123456789abcdef",
        format="netcdf3",
        split_bytes=0,
        compute=compute,
        stream=look,
        finishing=lambda count: None,
    )
    assert seen[0] < 2**17


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
def test_the_bytes_of_a_file_do_not_depend_on_the_number_of_threads(tmp_path, format):
    dataset = deferred(data.tas((2000, 2001), missing=True))
    contents = []
    for threads in (1, 2, 8):
        (path,) = written(tmp_path / str(threads), [dataset], format=format, threads=threads)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1] == contents[2]
