"""Synthetic files like those of CMIP: daily `tas` on 192x288, that compress as real ones do.

Each day is a random field with a red spectrum, correlated with the day before, on a season.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

LATITUDES, LONGITUDES = 192, 288
DAYS = 365
YEARS_PER_FILE = 5
LAYOUTS: dict[str, dict[str, Any]] = {
    "deflated": {
        "zlib": True,
        "complevel": 1,
        "shuffle": True,
        "chunksizes": (1, LATITUDES, LONGITUDES),
    },
    "contiguous": {"contiguous": True},
    "netcdf3": {},
}
"""How the data variable is stored: as CMIP6 does, NetCDF-4 without filters, 64-bit NetCDF-3."""


def daily_tas(folder: Path, years: int, layout: str) -> list[Path]:
    """Return the files of that many years in that layout, five years each, made where missing."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for first in range(0, years, YEARS_PER_FILE):
        count = min(YEARS_PER_FILE, years - first)
        path = folder / f"tas_{layout}_{first:02d}_{count}.nc"
        if not path.exists():
            _write(path, first, count, layout)
        paths.append(path)
    return paths


def _write(path: Path, first: int, years: int, layout: str) -> None:
    partial = path.with_suffix(".part")
    format: Any = "NETCDF3_64BIT_OFFSET" if layout == "netcdf3" else "NETCDF4"
    steps = years * DAYS
    with netCDF4.Dataset(partial, "w", format=format) as dataset:
        _coordinates(dataset, first * DAYS, steps, unlimited=layout != "contiguous")
        options: dict[str, Any] = {"fill_value": np.float32(1e20), **LAYOUTS[layout]}
        tas = dataset.createVariable("tas", "f4", ("time", "lat", "lon"), **options)
        tas.units = "K"
        for step, field in enumerate(_fields(np.random.default_rng(first), steps)):
            tas[step] = field
    partial.rename(path)


def _coordinates(dataset: netCDF4.Dataset, start: int, steps: int, *, unlimited: bool) -> None:
    dataset.createDimension("time", None if unlimited else steps)
    time = dataset.createVariable("time", "f8", ("time",))
    time.units, time.calendar = "days since 1990-01-01", "noleap"
    time[:] = start + np.arange(steps) + 0.5
    for name, count, span in (("lat", LATITUDES, 180.0), ("lon", LONGITUDES, 360.0)):
        dataset.createDimension(name, count)
        axis = dataset.createVariable(name, "f8", (name,))
        axis.units = {"lat": "degrees_north", "lon": "degrees_east"}[name]
        axis[:] = (np.arange(count) + 0.5) * span / count - (90 if name == "lat" else 0)


def _fields(random: np.random.Generator, steps: int) -> Iterator[np.ndarray]:
    rows = np.fft.fftfreq(LATITUDES)[:, None] * LATITUDES
    waves = np.hypot(rows, np.fft.rfftfreq(LONGITUDES)[None] * LONGITUDES)
    amplitude = np.where(waves > 0, np.maximum(waves, 1) ** -2.0, 0)
    south = np.linspace(1, -1, LATITUDES)[:, None]
    weather = np.zeros((LATITUDES, LONGITUDES))
    for step in range(steps):
        phases = np.exp(2j * np.pi * random.random(amplitude.shape))
        new = np.fft.irfft2(amplitude * phases, s=weather.shape)
        weather = 0.8 * weather + 0.6 * new / new.std()
        season = 10 * south * np.cos(2 * np.pi * step / DAYS)
        yield (260 + 40 * (1 - south**2) + season + 5 * weather).astype("f4")
