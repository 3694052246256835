"""Compressions of HDF5 beyond its own, read where the package `hdf5plugin` is installed.

The HDF5 library looks for them in the folders that an environment variable names when it is loaded.
"""

import os
from importlib.util import find_spec
from pathlib import Path

FOLDERS = "HDF5_PLUGIN_PATH"
"""The environment variable; whoever has set it is left alone."""


def offer() -> None:
    """Have HDF5 find the plugins of netCDF4 and of hdf5plugin; neither is loaded for that."""
    added = _folder("hdf5plugin")
    if added and FOLDERS not in os.environ:
        # That of netCDF4, which it names itself where nothing else is named, knows blosc and zstd.
        os.environ[FOLDERS] = os.pathsep.join(filter(None, (_folder("netCDF4"), added)))


def _folder(package: str) -> str:
    found = find_spec(package)
    places = found.submodule_search_locations if found else None
    return str(Path(places[0]) / "plugins") if places else ""
