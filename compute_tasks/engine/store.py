"""A NetCDF file for xarray: names and attributes from the library, values by the index."""

import logging
import os
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from xarray.backends import (
    AbstractDataStore,
    BackendArray,
    NetCDF4DataStore,
    StoreBackendEntrypoint,
)
from xarray.core import indexing

from compute_tasks.engine.index import index_file
from compute_tasks.engine.layout import File, FileIndex, VariableIndex
from compute_tasks.engine.reader import read

logger = logging.getLogger(__name__)


def open_store(
    filename: Any, group: str | None, folder: Path | None, **decoding: Any
) -> xr.Dataset:
    """Open a file (or whatever else the netcdf4 backend opens) as a lazy dataset."""
    if isinstance(filename, os.PathLike):
        filename = os.fspath(filename)
    path = Path(filename).expanduser() if isinstance(filename, str) else None
    index = None
    if path and path.is_file():
        # As the library's backend names it: without "..", but not through links.
        path = Path(os.path.abspath(path))  # noqa: PTH100
        index = index_file(path, folder)
    library = NetCDF4DataStore.open(str(path) if index else filename, group=group)
    with ExitStack() as on_error:
        on_error.callback(library.close)
        store = _IndexedStore(library, index, group or "") if index else library
        dataset = StoreBackendEntrypoint().open_dataset(store, **decoding)
        on_error.pop_all()
    return dataset


class _IndexedStore(AbstractDataStore):
    """What the library says of a file, with arrays that read by the index where they can."""

    def __init__(self, library: NetCDF4DataStore, index: FileIndex, group: str) -> None:
        self.library, self.index = library, index
        self.prefix = f"{group.strip('/')}/" if group.strip("/") else ""

    def get_variables(self) -> Mapping[str, xr.Variable]:
        """Return the variables of the group, undecoded."""
        return {
            name: self._indexed(name, variable)
            for name, variable in self.library.get_variables().items()
        }

    def get_attrs(self) -> Mapping[str, Any]:
        """Return the attributes of the group."""
        return self.library.get_attrs()

    def get_dimensions(self) -> Mapping[str, int]:
        """Return the lengths of the dimensions of the group."""
        return self.library.get_dimensions()

    def get_encoding(self) -> Mapping[str, Any]:
        """Return which dimensions are unlimited."""
        return self.library.get_encoding()

    def close(self) -> None:
        """Close the file in the library."""
        self.library.close()

    def _indexed(self, name: str, variable: xr.Variable) -> xr.Variable:
        path = self.prefix + name
        found = self.index.variables.get(path)
        if found is None or not _agree(found, variable):
            self._log_fallback(path, variable)
            return variable
        array = IndexedArray(self.index.identity, found, variable.dtype)
        lazy = indexing.LazilyIndexedArray(array)
        return xr.Variable(variable.dims, lazy, variable.attrs, variable.encoding)

    def _log_fallback(self, path: str, variable: xr.Variable) -> None:
        if variable.dtype.kind in "iuf":
            refused = self.index.refused
            reason = refused.get(path) or refused.get("") or "its stored shape is not its shape"
            file = self.index.identity.name
            logger.info("%s: variable %s is read by the NetCDF library: %s", file, path, reason)


def _agree(found: VariableIndex, variable: xr.Variable) -> bool:
    """Tell whether the library has the same array; it shows some longer than they are stored."""
    same_dtype = found.dtype.newbyteorder("=") == variable.dtype.newbyteorder("=")
    return same_dtype and found.shape == variable.shape


class IndexedArray(BackendArray):
    """An array in a file as xarray wants it: lazy, safe in threads, and to be pickled."""

    def __init__(self, file: File, variable: VariableIndex, dtype: np.dtype) -> None:
        self.file, self.variable = file, variable
        self.shape, self.dtype = variable.shape, dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> np.ndarray:
        """Return the values selected, as an array in memory."""
        if isinstance(key, indexing.VectorizedIndexer):
            support = indexing.IndexingSupport.OUTER
            return indexing.explicit_indexing_adapter(key, self.shape, support, self._read)
        return self._read(key.tuple)

    def _read(self, key: tuple[Any, ...]) -> np.ndarray:
        values = np.asarray(read(self.file, self.variable, key))
        return values.astype(self.dtype, copy=False)
