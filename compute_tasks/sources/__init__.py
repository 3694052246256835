"""Addresses to lazy datasets: local files, http(s), OPeNDAP, Zarr.

`open_source` is the one door. It finds the way to the bytes (`local`, `thredds` with `http` and
`opendap`), keeps what belongs to the variable and decodes it (`cf`), makes it lazy (`stored` for
local files, `lazy` for everything else) and its invalid values missing (`valid`).
"""

from pathlib import Path

import xarray as xr

from compute_tasks.engine.field import Field
from compute_tasks.engine.index import index_file
from compute_tasks.engine.layout import DamagedFileError, FileIndex
from compute_tasks.errors import InvalidInput, MissingInput, SourceError, TaskError
from compute_tasks.model import Variable
from compute_tasks.sources import cf, files, lazy, local, remembered, stored, valid
from compute_tasks.sources.policy import SourcePolicy

__all__ = ["SourcePolicy", "is_distant", "open_source"]


def open_source(
    variable: Variable, policy: SourcePolicy, *, workspace: Path | None = None
) -> xr.Dataset:
    """Return a dataset with the variable as its only data variable, lazy, decoded by CF.

    The variable is a `Field`, or a dask array where `encoding["unindexed"]` says why it is none.
    Axes, bounds, grid mappings and other variables that belong to it are coordinates. Missing
    values are NaN, times cftime objects; a time axis that cannot be decoded stays as numbers.
    Global attributes are kept and `encoding["source"]` is the uri as given. The variable's domain
    is not applied. `workspace` is the folder for files that must be downloaded whole.

    Raises SourceError (SourceRefused, Transient), InvalidInput or TooLarge; computing the dataset
    later may raise SourceError and Transient too.
    """
    uri = variable.uri.strip()
    if not uri:
        raise MissingInput(f"variable {variable.name!r} has no uri", locator="variable")
    name = variable.variable
    path = _located(uri, policy)
    state = remembered.state(path)
    if state and (known := remembered.recall(state, name, policy.indexes)):
        known.encoding["source"] = uri
        return known
    raw, index = _opened(uri, path, name, policy, workspace)
    with files.LIBRARY:
        opened = _decoded(uri, raw, index, name)
    if state:
        remembered.remember(opened, state, name, policy.indexes)
    return opened


def _decoded(uri: str, raw: xr.Dataset, index: FileIndex | None, name: str) -> xr.Dataset:
    """Return what belongs to the variable, decoded and lazy."""
    kept = cf.keep(raw, name, uri)
    try:
        decoded = cf.decode(kept, name, uri)
    except TaskError:
        raise
    except Exception as error:
        message = f"{uri}: the attributes of {name!r} or its axes cannot be understood"
        raise SourceError(message, locator="variable") from error
    field, unindexed = _field(uri, index, kept[name], decoded[name])
    opened = lazy.make_lazy(decoded, uri, {} if field is None else {name: field})
    opened[name] = valid.masked(opened[name].variable, *valid.limits(kept[name].variable))
    opened.encoding["unindexed"] = unindexed
    return opened


def is_distant(variable: Variable, policy: SourcePolicy) -> bool:
    """Tell whether the variable is read from another machine; an unusable address is not."""
    try:
        return _located(variable.uri.strip(), policy) is None
    except TaskError:
        return False


def _located(uri: str, policy: SourcePolicy) -> Path | None:
    """Return the local place of an address, None for a remote one; InvalidInput if unusable."""
    scheme = uri.partition(":")[0].lower() if "://" in uri or uri.startswith("file:") else ""
    if scheme not in ("", "file", "http", "https"):
        raise InvalidInput(
            f"{uri}: scheme {scheme!r} is not supported; use http, https, file or a path",
            locator="variable",
        )
    return local.located(uri, policy)


def _opened(
    uri: str, path: Path | None, name: str, policy: SourcePolicy, workspace: Path | None
) -> tuple[xr.Dataset, FileIndex | None]:
    """Return what is at an address, undecoded, with the index of the chunks of a file."""
    try:
        if path is None:
            # What asks over the network takes a while to load, and many never do.
            from compute_tasks.sources import thredds  # noqa: PLC0415

            return thredds.open_remote(uri, policy, name, workspace)
        raw = local.open_path(path, uri)
        return raw, index_file(path, policy.indexes) if path.is_file() else None
    except DamagedFileError as error:
        raise SourceError(f"{uri} cannot be read: {error}", locator="variable") from error


def _field(
    uri: str, index: FileIndex | None, raw: xr.DataArray, decoded: xr.DataArray
) -> tuple[Field | None, str]:
    """Return the values as a field, or why they are none."""
    if index is None:
        return None, f"{uri} has no chunks of bytes that are read one by one"
    try:
        return stored.field(index, raw.variable, decoded.variable, str(raw.name)), ""
    except stored.LeftToLibraryError as reason:
        return None, str(reason)
