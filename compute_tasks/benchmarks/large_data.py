"""Makes the files of `large`: 100 times five years of daily `tas`, 40 GB that take 1 GB of disk.

    python -m compute_tasks.benchmarks.large_data FOLDER

Each of the 365 fields is compressed once and comes again every year, so that the mean over all
times is known; it is in `expected.nc`.
"""

import sys
from pathlib import Path

import h5py
import netCDF4
import numpy as np

from compute_tasks.benchmarks.data import (
    DAYS,
    LATITUDES,
    LAYOUTS,
    LONGITUDES,
    axes,
    deflated,
    variable,
)
from compute_tasks.benchmarks.large import YEARS, expected, paths


def make(folder: Path) -> None:
    """Make what is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    fields = [_field(day) for day in range(DAYS)]
    stored = [deflated(field, 1) for field in fields]
    for number, path in enumerate(paths(folder)):
        if not path.exists():
            partial = path.with_suffix(".part")
            _write(partial, number * YEARS * DAYS, stored)
            partial.rename(path)
    with netCDF4.Dataset(expected(folder), "w") as dataset:
        dataset.createDimension("lat", LATITUDES)
        dataset.createDimension("lon", LONGITUDES)
        mean = dataset.createVariable("tas", "f8", ("lat", "lon"))
        mean[:] = np.mean(fields, axis=0, dtype="f8")


def _field(day: int) -> np.ndarray:
    """Return multiples of five degrees, which compress well."""
    south = np.linspace(1, -1, LATITUDES)[:, None]
    waves = 5 * np.sin(np.linspace(0, 2 * np.pi, LONGITUDES) + day)
    season = 10 * south * np.cos(2 * np.pi * day / DAYS)
    return 5 * np.round((300 - 40 * south**2 + season + waves) / 5).astype("f4")


def _write(path: Path, start: int, stored: list[bytes]) -> None:
    steps = YEARS * DAYS
    with netCDF4.Dataset(path, "w") as dataset:
        axes(dataset, start + np.arange(steps + 1), unlimited=True)
        variable(dataset, "tas", ("time", "lat", "lon"), **LAYOUTS["deflated"])
    with h5py.File(path, "r+") as file:
        tas = file["tas"]
        tas.resize(steps, axis=0)
        for step in range(steps):
            tas.id.write_direct_chunk((step, 0, 0), stored[step % DAYS])


if __name__ == "__main__":
    make(Path(sys.argv[1]))
