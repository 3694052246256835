"""A file that takes a while to read but not to make: few different steps, repeated."""

import zlib
from pathlib import Path

import h5py
import netCDF4
import numpy as np

STEPS = 1500
"""Days in the file: a third of a gigabyte as numbers."""
GRID = (192, 288)
DIFFERENT = 24


def make_long(folder: Path, steps: int = STEPS) -> str:
    """Write `long.nc` with so many days of tas into the folder and return its path."""
    path = folder / "long.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, length in zip(("time", "lat", "lon"), (steps, *GRID), strict=True):
            file.createDimension(name, length)
        _axis(file, "time", np.arange(steps), "days since 1980-01-01", calendar="noleap")
        _axis(file, "lat", np.linspace(-89.5, 89.5, GRID[0]), "degrees_north")
        _axis(file, "lon", np.arange(GRID[1]) * 1.25, "degrees_east")
        tas = file.createVariable(
            "tas", "f4", ("time", "lat", "lon"), zlib=True, chunksizes=(1, *GRID)
        )
        tas.setncatts({"standard_name": "air_temperature", "units": "K"})
    chunks = [_packed(number) for number in range(DIFFERENT)]
    with h5py.File(path, "r+") as stored:
        for step in range(steps):
            stored["tas"].id.write_direct_chunk((step, 0, 0), chunks[step * 7 % DIFFERENT])
    return str(path)


def _axis(file: netCDF4.Dataset, name: str, values: np.ndarray, units: str, **more: str) -> None:
    axis = file.createVariable(name, "f8", (name,))
    axis.setncatts({"units": units, "standard_name": _STANDARD[name], **more})
    axis[:] = values


_STANDARD = {"time": "time", "lat": "latitude", "lon": "longitude"}


def _packed(number: int) -> bytes:
    """Return one step as it is stored: whole kelvins, so that little is to be read."""
    values = np.random.default_rng(number).integers(200, 320, GRID).astype("<f4")
    return zlib.compress(values.view("u1").reshape(-1, 4).T.tobytes(), 1)
