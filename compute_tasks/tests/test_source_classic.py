"""The header of classic NetCDF files against files the netCDF library wrote."""

import io
from pathlib import Path
from tempfile import TemporaryDirectory

import netCDF4
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.engine import classic

FORMATS = {"NETCDF3_CLASSIC": 1, "NETCDF3_64BIT_OFFSET": 2, "NETCDF3_64BIT_DATA": 5}
KINDS = ("i1", "i2", "i4", "f4", "f8", "S1")


@settings(deadline=None, max_examples=40)
@given(
    format=st.sampled_from(sorted(FORMATS)),
    records=st.integers(0, 5),
    kinds=st.lists(st.tuples(st.sampled_from(KINDS), st.booleans()), min_size=1, max_size=4),
    width=st.integers(1, 7),
    clock=st.booleans(),
)
def test_every_variable_is_found_where_the_header_says(format, records, kinds, width, clock):
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.nc"
        wanted = write(path, format, records, kinds, width, clock)
        content = path.read_bytes()
    header = classic.read_header(io.BytesIO(content))
    # Without a variable along it the unlimited dimension stays empty.
    growing = [v for v in wanted.values() if v.ndim == 2] or (clock and records)
    assert (header.version, header.records) == (FORMATS[format], records if growing else 0)
    assert {variable.name: variable.shape for variable in header.variables} == {
        name: values.shape for name, values in wanted.items()
    }
    for variable in header.variables:
        np.testing.assert_array_equal(values_at(content, variable), wanted[variable.name])
    assert header.expected_bytes <= len(content)
    assert len(content) - header.expected_bytes < 4 or not any(v.end for v in header.variables)


def write(path, format, records, kinds, width, clock=True):
    wanted = {}
    with netCDF4.Dataset(path, "w", format=format) as file:
        file.setncattr("title", "odd length")
        file.createDimension("time", None)
        file.createDimension("x", width)
        for number, (kind, along_records) in enumerate(kinds):
            dims, shape = ("x",), (width,)
            if along_records:
                dims, shape = ("time", "x"), (records, width)
            values = (np.arange(np.prod(shape)).reshape(shape) % 100 + 1).astype("i1")
            values = values.view("S1") if kind == "S1" else values.astype(kind)
            variable = file.createVariable(f"v{number}", kind, dims)
            variable.units = "K"
            variable[:] = values
            wanted[f"v{number}"] = values
        if clock and records:
            file.createVariable("clock", "f8", ("time",))[:] = np.arange(records)
            wanted["clock"] = np.arange(records, dtype="f8")
    return wanted


def values_at(content, variable):
    if not variable.stride:
        return np.ndarray(variable.shape, variable.dtype, content, variable.begin)
    starts = (variable.begin + n * variable.stride for n in range(variable.shape[0]))
    rows = [np.ndarray(variable.shape[1:], variable.dtype, content, start) for start in starts]
    return np.array(rows, variable.dtype).reshape(variable.shape)


@pytest.mark.parametrize(
    "content", [b"", b"CDF", b"CDF\x03" + bytes(40), b"CDF\x01" + b"\xff" * 40]
)
def test_a_broken_header_is_an_error(content):
    with pytest.raises(classic.HeaderError):
        classic.read_header(io.BytesIO(content))


def test_a_header_cut_anywhere_is_an_error(tmp_path):
    write(tmp_path / "x.nc", "NETCDF3_CLASSIC", 2, [("f4", True), ("f8", False)], 3)
    content = (tmp_path / "x.nc").read_bytes()
    end = min(v.begin for v in classic.read_header(io.BytesIO(content)).variables)
    for length in range(end):
        with pytest.raises(classic.HeaderError):
            classic.read_header(io.BytesIO(content[:length]))
