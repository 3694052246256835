"""Addresses to lazy datasets: local files, http(s), OPeNDAP, Zarr.

`open_source` is the one door. It finds where the bytes are (`local`) and gives what is `remembered`
of a local file; else `opening` finds the way to them.
"""

from pathlib import Path

import xarray as xr

from compute_tasks.errors import InvalidInput, MissingInput, TaskError
from compute_tasks.model import Variable
from compute_tasks.sources import local, remembered
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
    # It loads the libraries for NetCDF and HDF5, and what is known needs neither.
    from compute_tasks.sources import opening  # noqa: PLC0415

    opened = opening.open_unknown(uri, path, name, policy, workspace)
    if state:
        remembered.remember(opened, state, name, policy.indexes)
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
