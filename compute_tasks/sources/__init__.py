"""Addresses to lazy datasets: local files, http(s), OPeNDAP, Zarr.

`open_source` is the one door. It finds the way to the bytes (`local`, `thredds` with `http` and
`opendap`), keeps what belongs to the variable and decodes it (`cf`), makes it lazy (`lazy`) and
its invalid values missing (`valid`).
"""

from pathlib import Path
from urllib.parse import urlsplit

import xarray as xr

from compute_tasks.errors import InvalidInput, MissingInput, SourceError, TaskError
from compute_tasks.model import Variable
from compute_tasks.sources import cf, lazy, local, network, thredds, valid
from compute_tasks.sources.policy import SourcePolicy

__all__ = ["SourcePolicy", "open_source"]


def open_source(
    variable: Variable, policy: SourcePolicy, *, workspace: Path | None = None
) -> xr.Dataset:
    """Return a dataset with the variable as its only data variable, lazy (dask), decoded by CF.

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
    raw = _open(uri, variable.variable, policy, workspace)
    kept = cf.keep(raw, variable.variable, uri)
    try:
        decoded = cf.decode(kept, variable.variable, uri)
    except TaskError:
        raise
    except Exception as error:
        message = f"{uri}: the attributes of {variable.variable!r} or its axes cannot be understood"
        raise SourceError(message, locator="variable") from error
    opened = lazy.make_lazy(decoded, uri)
    opened[variable.variable] = valid.masked(
        opened[variable.variable].variable, *valid.limits(kept[variable.variable].variable)
    )
    return opened


def _open(uri: str, name: str, policy: SourcePolicy, workspace: Path | None) -> xr.Dataset:
    scheme = urlsplit(uri).scheme.lower() if "://" in uri or uri.startswith("file:") else ""
    if scheme in ("http", "https"):
        network.check_address(uri)
        path = local.mapped(uri, policy)
        return (
            local.open_path(path, uri)
            if path
            else thredds.open_remote(uri, policy, name, workspace)
        )
    if scheme in ("", "file"):
        return local.open_local(uri, policy)
    raise InvalidInput(
        f"{uri}: scheme {scheme!r} is not supported; use http, https, file or a path",
        locator="variable",
    )
