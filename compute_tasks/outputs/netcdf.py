"""Writing variables to a NetCDF file: dimensions, types, chunks, compression.

Arrays in memory are written at once, others are handed back with the place they belong to.
"""

import math
import os
import tempfile
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr

from compute_tasks.durable import FULL
from compute_tasks.engine.destination import Destination
from compute_tasks.engine.field import Field
from compute_tasks.errors import NoSpace, TooLarge

Format = Literal["netcdf4", "netcdf3"]
LIBRARY_FORMAT: Mapping[str, Any] = {"netcdf4": "NETCDF4", "netcdf3": "NETCDF3_64BIT_OFFSET"}
CLASSIC_BYTES = 2**32 - 4
WHOLE_BYTES = 2**20
"""Arrays up to this size are one chunk, and small maps are put together up to it."""
LEAST_MAP_BYTES = 2**17
"""Maps from this size on are a chunk each."""
MOST_BYTES = 2**22
ROOM = "_room_for_attributes"
"""What a NETCDF3 header holds instead of attributes before there are any."""
ENTRY_BYTES = 128
"""Bytes of a header, at most, that a variable or attribute takes beside its name and value."""


class WriteError(Exception):
    """The result could not be written although there is room: the folder is gone, for example."""


@dataclass(slots=True)
class Deferred:
    """What is still to be put into a file: dask arrays while it is open, others when closed."""

    lazy: list[tuple[Any, "Target"]] = field(default_factory=list)
    fields: list[Destination] = field(default_factory=list)


class Target:
    """One variable of an open file, to which dask stores blocks."""

    def __init__(self, variable: netCDF4.Variable) -> None:
        self._variable = variable

    def __setitem__(self, index: Any, values: np.ndarray) -> None:
        """Write one block; raises as `writing`."""
        with writing(Path(self._variable.group().filepath()).parent):
            self._variable[index] = values


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Turn what the library or the system says into an error that names no path.

    Raises NoSpace when the disk of the folder is full, else WriteError.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if _is_full(folder, error):
            raise NoSpace(
                "the disk for results is full; choose a smaller domain, or try again when there is "
                "room"
            ) from error
        what = getattr(error, "strerror", None) or str(error)
        raise WriteError(f"a result cannot be written: {what}") from error


def _is_full(folder: Path, error: Exception) -> bool:
    """Tell whether a failed write had no room; the library does not say, so another is tried."""
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(MOST_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as refused:
        return refused.errno in FULL
    return False


def create(path: Path, format: Format) -> netCDF4.Dataset:
    """Open a new file for writing; raises as `writing`."""
    with writing(path.parent):
        file = netCDF4.Dataset(path, "w", format=LIBRARY_FORMAT[format])
    file.set_fill_off()
    return file


def fill(
    file: netCDF4.Dataset, variables: Mapping[Hashable, xr.Variable], attributes: Mapping[str, Any]
) -> Deferred:
    """Define everything, write what is in memory, return the rest.

    Raises TooLarge for what NETCDF3 cannot hold.
    """
    classic = file.data_model != "NETCDF4"
    stored = {str(name): _stored(v, classic) for name, v in variables.items()}
    for variable in stored.values():
        for dimension, size in variable.sizes.items():
            if dimension not in file.dimensions:
                file.createDimension(str(dimension), size)
    file.setncatts(_attributes(attributes, classic))
    if classic:
        file.setncattr(ROOM, " " * _attribute_bytes(stored.values()))
    targets = {name: _define(file, name, v, classic) for name, v in stored.items()}
    if classic:
        # Otherwise each attribute would move all data of the file a little further.
        file.delncattr(ROOM)
    for name, variable in stored.items():
        attrs = {k: v for k, v in variable.attrs.items() if k != "_FillValue"}
        file.variables[name].setncatts(_attributes(attrs, classic))
    result = Deferred()
    for name, variable in stored.items():
        if not variable.size:
            continue
        if is_deferred(variable) and "_FillValue" in variable.attrs:
            result.fields.append(_destination(file, name, variable, classic))
        elif variable.chunks is not None:
            result.lazy.append((variable.data, targets[name]))
        else:
            targets[name][...] = variable.values
    return result


def is_deferred(variable: xr.Variable) -> bool:
    """Tell whether values are packed in threads, when the file is closed: fields, large arrays."""
    data = variable.data
    large = isinstance(data, np.ndarray) and data.dtype.kind == "f" and data.nbytes > WHOLE_BYTES
    return large or isinstance(data, Field)


def _destination(
    file: netCDF4.Dataset, name: str, variable: xr.Variable, classic: bool
) -> Destination:
    return Destination(
        path=Path(file.filepath()),
        name=name,
        node=variable.data.node if isinstance(variable.data, Field) else variable.values,
        dtype=variable.dtype,
        fill=variable.attrs.get("_FillValue"),
        chunk=None if classic else chunks(variable.shape, variable.dtype.itemsize),
    )


def chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """Return the chunk shape for reading back: small arrays whole, else one step with its map."""
    if math.prod(shape) * itemsize <= WHOLE_BYTES:
        return tuple(max(1, n) for n in shape)
    map_bytes = math.prod(shape[-2:]) * itemsize
    room = WHOLE_BYTES if map_bytes < LEAST_MAP_BYTES else min(map_bytes, MOST_BYTES)
    result: list[int] = []
    for size in reversed(shape):
        length = max(1, min(size, room // itemsize))
        room //= length
        result.insert(0, length)
    return tuple(result)


def _define(file: netCDF4.Dataset, name: str, variable: xr.Variable, classic: bool) -> Target:
    options: dict[str, Any] = {"fill_value": variable.attrs.get("_FillValue")}
    if variable.ndim and not classic:
        options |= {"zlib": True, "complevel": 1, "shuffle": True}
        options["chunksizes"] = chunks(variable.shape, variable.dtype.itemsize)
    if classic and variable.nbytes > CLASSIC_BYTES:
        raise TooLarge(
            f"{name} has {variable.nbytes} bytes, a variable of a NETCDF3 file at most "
            f"{CLASSIC_BYTES}; choose netcdf4 or a smaller domain"
        )
    target = file.createVariable(name, variable.dtype, tuple(map(str, variable.dims)), **options)
    if "chunksizes" in options:
        target.set_var_chunk_cache(size=2 * MOST_BYTES)
    target.set_auto_maskandscale(False)
    target.set_auto_chartostring(False)
    return Target(target)


def _attribute_bytes(variables: Iterable[xr.Variable]) -> int:
    """Return more bytes than the variables and their attributes take in a header."""
    return sum(
        ENTRY_BYTES + len(str(key)) + np.asarray(value).nbytes
        for variable in variables
        for key, value in (("", ""), *variable.attrs.items())
    )


def _stored(variable: xr.Variable, classic: bool) -> xr.Variable:
    """Return the variable in a type that the format has, in the byte order of this machine."""
    if variable.dtype.kind in "SUO":
        return _characters(variable)
    kind = (_classic_type(variable) if classic else variable.dtype).newbyteorder("=")
    return variable if kind == variable.dtype else variable.astype(kind, keep_attrs=True)


def _characters(variable: xr.Variable) -> xr.Variable:
    """Return texts as arrays of characters, which more programs read than the strings of NetCDF-4.

    A lone character, as which grid mappings are stored, has no dimension for its letters.
    """
    texts = [
        v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in variable.values.flat
    ]
    encoded = [text.encode() for text in texts]
    width = max([1, *map(len, encoded)])
    letters = np.array(encoded, dtype=f"S{width}").view("S1").reshape(*variable.shape, width)
    attributes = {**variable.attrs, "_Encoding": "utf-8"}
    if letters.shape == (1,):
        return xr.Variable((), letters[0], attributes)
    return xr.Variable((*variable.dims, f"string{width}"), letters, attributes)


def _classic_type(variable: xr.Variable) -> np.dtype:
    """Return the NETCDF3 type that holds the values: integers too wide for one become doubles."""
    dtype = variable.dtype
    if dtype.kind == "u" and dtype.itemsize < 4:
        return np.dtype(f"i{2 * dtype.itemsize}")
    if dtype.kind not in "iu" or (dtype.kind == "i" and dtype.itemsize <= 4):
        return dtype
    limits = np.iinfo(np.int32)
    narrow = isinstance(variable.data, np.ndarray) and (
        not variable.size
        or limits.min <= variable.values.min() <= variable.values.max() <= limits.max
    )
    return np.dtype(np.int32 if narrow else np.float64)


def _attributes(attributes: Mapping[Any, Any], classic: bool) -> dict[str, Any]:
    """Return attributes in types each reader knows; what NetCDF cannot hold becomes text."""
    return {
        str(name): _attribute(value, classic)
        for name, value in attributes.items()
        if value is not None and np.size(value) and not str(name).startswith("_NC")
    }


def _attribute(value: Any, classic: bool) -> Any:
    if isinstance(value, str | bytes):
        return value if isinstance(value, str) else value.decode(errors="replace")
    array = np.asarray(value)
    if array.dtype.kind == "U" and isinstance(value, Iterable):
        return " ".join(map(str, value))
    if array.dtype.kind not in "biuf":
        return str(value)
    if array.dtype.kind == "b":
        return array.astype(np.int8)
    if array.dtype.kind in "iu" and (array.dtype.itemsize > 4 or classic):
        return array.astype(_classic_type(xr.Variable([f"d{i}" for i in range(array.ndim)], array)))
    return array
