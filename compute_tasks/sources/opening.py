"""Opening what is not known yet: the way to the bytes, and from them to a lazy, decoded dataset.

Files at hand are opened by `files`, remote ones by `thredds` with `http` and `opendap`. Of what is
in them `cf` keeps what belongs to the variable and decodes it; `stored` makes it lazy for local
files, `lazy` for everything else, and `valid` makes its invalid values missing.
"""

from pathlib import Path

import xarray as xr

from compute_tasks.engine.field import Field
from compute_tasks.engine.index import index_file
from compute_tasks.engine.layout import DamagedFileError, FileIndex
from compute_tasks.errors import SourceError, TaskError
from compute_tasks.sources import cf, files, lazy, stored, valid
from compute_tasks.sources.policy import SourcePolicy


def open_unknown(
    uri: str, path: Path | None, name: str, policy: SourcePolicy, workspace: Path | None
) -> xr.Dataset:
    """Return a variable of what is at an address, which is local if there is a path.

    Returns and raises as `open_source` does.
    """
    raw, index = _opened(uri, path, name, policy, workspace)
    with files.LIBRARY:
        return _decoded(uri, raw, index, name)


def _opened(
    uri: str, path: Path | None, name: str, policy: SourcePolicy, workspace: Path | None
) -> tuple[xr.Dataset, FileIndex | None]:
    """Return what is at an address, undecoded, with the index of the chunks of a file."""
    try:
        if path is None:
            # What asks over the network takes a while to load, and many never do.
            from compute_tasks.sources import thredds  # noqa: PLC0415

            return thredds.open_remote(uri, policy, name, workspace)
        raw = files.open_path(path, uri)
        return raw, index_file(path, policy.indexes) if path.is_file() else None
    except DamagedFileError as error:
        raise SourceError(f"{uri} cannot be read: {error}", locator="variable") from error


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
