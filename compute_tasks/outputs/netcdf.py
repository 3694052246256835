"""Writing variables to a NetCDF file: dimensions, types, chunks, compression.

Arrays in memory are written at once, lazy ones are handed back with the place they belong to.
"""

import errno
import math
import os
import tempfile
from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import netCDF4
import numpy as np
import xarray as xr
from dask.array import Array

from compute_tasks.errors import NoSpace, TooLarge

Format = Literal["netcdf4", "netcdf3"]
LIBRARY_FORMAT: Mapping[str, Any] = {"netcdf4": "NETCDF4", "netcdf3": "NETCDF3_64BIT_OFFSET"}
CLASSIC_BYTES = 2**32 - 4
WHOLE_BYTES = 2**20
"""Arrays up to this size are one chunk, and small maps are put together up to it."""
LEAST_MAP_BYTES = 2**17
"""Maps from this size on are a chunk each."""
MOST_BYTES = 2**22


FULL = (errno.ENOSPC, errno.EDQUOT)


class WriteError(Exception):
    """The result could not be written although there is room: the folder is gone, for example."""


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
) -> list[tuple[Array, Target]]:
    """Define everything, write what is in memory, return the rest with its targets.

    Raises TooLarge for what NETCDF3 cannot hold.
    """
    classic = file.data_model != "NETCDF4"
    stored = {str(name): _stored(v, classic) for name, v in variables.items()}
    for variable in stored.values():
        for dimension, size in variable.sizes.items():
            if dimension not in file.dimensions:
                file.createDimension(str(dimension), size)
    file.setncatts(_attributes(attributes, classic))
    targets = {name: _define(file, name, v, classic) for name, v in stored.items()}
    lazy = []
    for name, variable in stored.items():
        if isinstance(variable.data, Array) and variable.size:
            lazy.append((variable.data, targets[name]))
        elif variable.size:
            targets[name][...] = variable.values
    return lazy


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
    attributes = dict(variable.attrs)
    options: dict[str, Any] = {"fill_value": attributes.pop("_FillValue", None)}
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
    target.setncatts(_attributes(attributes, classic))
    return Target(target)


def _stored(variable: xr.Variable, classic: bool) -> xr.Variable:
    """Return the variable in a type that the format has."""
    if variable.dtype.kind in "SUO":
        return _characters(variable)
    kind = _classic_type(variable) if classic else variable.dtype
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
    narrow = variable.chunks is None and (
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
