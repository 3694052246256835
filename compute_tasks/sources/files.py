"""Files at hand to undecoded datasets: NetCDF by path, NetCDF-4 from a file object, Zarr folders.

Nothing here asks whether a path may be read; `local` does.
"""

import atexit
import re
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import h5py
import xarray as xr
from xarray.backends.locks import HDF5_LOCK

from compute_tasks.errors import SourceError, SourceRefused, TaskError
from compute_tasks.sources import cf, sniff

LIBRARY = Lock()
"""The NetCDF library is not safe in threads; xarray locks its reads but not all of its opening."""
ZARR_MARKERS = ("zarr.json", ".zgroup", ".zmetadata", ".zattrs")
TRUNCATED = re.compile(r"truncated file: eof = (\d+).*stored_eof = (\d+)")


@atexit.register
def _close_file_objects() -> None:
    """Close what is still read through file objects.

    Otherwise HDF5 does it after the interpreter has gone and calls into nothing.
    """
    for identifier in h5py.h5f.get_obj_ids(h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        if identifier.get_access_plist().get_driver() == h5py.h5fd.fileobj_driver:
            h5py.File(identifier).close()


def open_path(path: Path, uri: str) -> xr.Dataset:
    """Open the NetCDF file or Zarr folder at a place found to be allowed, undecoded.

    Errors name the uri.
    """
    try:
        if path.is_dir():
            return open_zarr(path, uri)
        if path.is_file():
            return open_netcdf(path, uri)
    except PermissionError as error:
        message = f"{uri}: this server has no permission to read it"
        raise SourceError(message, locator="variable") from error
    what = "is neither a file nor a folder" if path.exists() else "does not exist"
    raise SourceError(f"{uri} {what}", locator="variable")


def open_netcdf(path: Path, uri: str) -> xr.Dataset:
    """Open a NetCDF file; SourceError, naming the uri only, says why if it cannot be read."""
    kind = sniff.check_file(path, uri)
    if kind == sniff.NETCDF4:
        _check_hdf5(path, uri)
    try:
        with LIBRARY:
            return xr.open_dataset(path, engine="netcdf4", decode_cf=False, cache=False)
    except Exception as error:
        message = f"{uri} cannot be read: damaged, or not as NetCDF prescribes"
        raise SourceError(message, locator="variable") from error


def open_hdf5(file: BinaryIO, uri: str) -> xr.Dataset:
    """Open NetCDF-4 from a file object; a TaskError it raises passes through."""
    _check_hdf5(file, uri)
    try:
        return xr.open_dataset(
            file, engine="h5netcdf", decode_cf=False, cache=False, phony_dims="access"
        )
    except TaskError:
        raise
    except Exception as error:
        message = f"{uri} cannot be read: {_meaning(error)}"
        raise SourceError(message, locator="variable") from error


def open_zarr(path: Path, uri: str) -> xr.Dataset:
    """Open a Zarr folder; SourceError if the folder is none or cannot be read."""
    if not any((path / marker).is_file() for marker in ZARR_MARKERS):
        message = f"{uri} is a folder and holds no Zarr data; name one file"
        raise SourceError(message, locator="variable")
    try:
        return xr.open_zarr(path, decode_cf=False, chunks=None)
    except Exception as error:
        message = f"{uri} is a damaged Zarr folder ({type(error).__name__})"
        raise SourceError(message, locator="variable") from error


def _check_hdf5(file: Path | BinaryIO, uri: str) -> None:
    """Raise SourceError for a file that is damaged, or SourceRefused if it leads to other files.

    HDF5 can keep the data of a variable in any file of this machine, named in the file itself.
    """
    try:
        with HDF5_LOCK, h5py.File(file, "r") as opened:
            outside = [name for name in opened if _leads_outside(opened, name)]
            large = [name for name in opened if _is_large_axis(opened, name)]
            groups = _only_groups(opened)
    except TaskError:
        raise
    except Exception as error:
        message = f"{uri} cannot be read: {_meaning(error)}"
        raise SourceError(message, locator="variable") from error
    if outside:
        message = (
            f"{uri} refers to data in other files ({', '.join(outside)}), which is not allowed"
        )
        raise SourceRefused(message, locator="variable")
    if large:
        raise cf.large_axis(uri, large[0])
    if groups:
        message = f"{uri} keeps its variables in groups ({', '.join(groups)}), which are not read"
        raise SourceError(message, locator="variable")


def _leads_outside(file: h5py.File, name: str) -> bool:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return True
    item = file[name]
    return isinstance(item, h5py.Dataset) and bool(item.external or item.is_virtual)


def _is_large_axis(file: h5py.File, name: str) -> bool:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        return False
    item = file[name]
    return isinstance(item, h5py.Dataset) and item.is_scale and item.nbytes > cf.AXIS_BYTES


def _only_groups(file: h5py.File) -> list[str]:
    """Return the groups of a file that has nothing but axes beside them."""
    links = {name for name in file if isinstance(file.get(name, getlink=True), h5py.HardLink)}
    items = {name: file[name] for name in links}
    if any(isinstance(item, h5py.Dataset) and not item.is_scale for item in items.values()):
        return []
    return sorted(name for name, item in items.items() if isinstance(item, h5py.Group))


def _meaning(error: BaseException) -> str:
    """Say what an HDF5 error means, without the path that its own text may hold."""
    if found := TRUNCATED.search(str(error)):
        return f"it is truncated: it has {found[1]} bytes where its header promises {found[2]}"
    return "a damaged NetCDF-4 file"
