"""Lazy arrays in blocks of a sensible size; a failing read says which file and what is wrong."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.engine.field import Field
from compute_tasks.errors import SourceError, TaskError

BLOCK_BYTES = 64 * 2**20
"""Bytes of one dask block, about; what a task reads and computes at a time."""
LOADED_BYTES = 4 * 2**20
"""Coordinates up to this size are read when a file is opened."""
NO_FILTER = (
    "it is compressed in a way that this server has no filter of HDF5 for; its operator can "
    "install the package hdf5plugin, which has many"
)


def blocks(
    shape: tuple[int, ...], stored: tuple[int, ...] | None, itemsize: int, target: int = BLOCK_BYTES
) -> tuple[int, ...]:
    """Return the shape of blocks of about `target` bytes, whole multiples of the stored chunks.

    The last axes are filled first, so that a block is as contiguous in the file as can be. A stored
    chunk larger than the target is one block. `stored` None means without chunks.
    """
    stored = stored if stored and len(stored) == len(shape) else (1,) * len(shape)
    block = [max(1, min(part, whole)) for part, whole in zip(stored, shape, strict=True)]
    for axis in reversed(range(len(shape))):
        room = target // max(1, math.prod(block) * itemsize)
        block[axis] = max(1, min(shape[axis], block[axis] * max(1, room)))
    return tuple(block)


class Reader:
    """An array dask can slice, reading through a variable of xarray that is lazy itself."""

    def __init__(self, variable: xr.Variable, name: str, uri: str) -> None:
        self.variable, self.name, self.uri = variable, name, uri
        self.shape, self.dtype, self.ndim = variable.shape, variable.dtype, variable.ndim

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return the values; SourceError, or what the source raised, if they cannot be read."""
        try:
            return np.asarray(self.variable[key].values)
        except TaskError:
            raise
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            why = NO_FILTER if _lacks_filter(error) else "its data are damaged"
            message = f"{self.uri}: variable {self.name!r} cannot be read, {why}"
            raise SourceError(message, locator="variable") from error


def _lacks_filter(error: Exception) -> bool:
    """Tell whether it was a filter that is not there, as netCDF4 or h5py say it."""
    return any(text in str(error) for text in ("undefined filter", "find plugin", "not registered"))


def make_lazy(dataset: xr.Dataset, uri: str, fields: Mapping[str, Field]) -> xr.Dataset:
    """Return the dataset with data as fields, or as dask arrays where there is none.

    Large coordinates are dask arrays, the others read.
    """
    changed = {}
    for name, variable in dataset.variables.items():
        if name in fields:
            changed[name] = _with_data(variable, fields[str(name)])
        elif name not in dataset.indexes:
            loaded = name in dataset.coords and variable.nbytes <= LOADED_BYTES
            changed[name] = _renewed(variable, Reader(variable, str(name), uri), loaded)
    result = dataset.assign(changed).set_coords(dataset.coords)
    result.encoding = dict(dataset.encoding)
    result.set_close(dataset.close)
    return result


def _renewed(variable: xr.Variable, reader: Reader, loaded: bool) -> xr.Variable:
    return _with_data(variable, reader[...] if loaded else _blocked(reader, variable))


def _with_data(variable: xr.Variable, data: Any) -> xr.Variable:
    return xr.Variable(variable.dims, data, variable.attrs, variable.encoding, fastpath=True)


def _blocked(reader: Reader, variable: xr.Variable) -> Any:
    # Loaded only for what is left to it.
    import dask.array as da  # noqa: PLC0415

    stored = variable.encoding.get("chunksizes") or variable.encoding.get("chunks")
    chunks = blocks(variable.shape, stored, variable.dtype.itemsize)
    meta = np.empty((0,) * variable.ndim, variable.dtype)
    return da.from_array(reader, chunks=chunks, name=False, meta=meta)
