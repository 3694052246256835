"""Synthetic files like those of CMIP, which compress as real ones do.

    python -m compute_tasks.benchmarks.data --years 30

makes daily `tas` on 192x288 in three layouts and monthly `ta` on 19 levels. Each step is a random
field with a red spectrum, correlated with the step before, on a season. Every run makes the same
bytes, and a file that is there stays.
"""

import argparse
import os
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np

from compute_tasks.benchmarks.files import FIRST_YEAR, ta_files, tas_files

LATITUDES, LONGITUDES, LEVELS = 192, 288, 19
DAYS = 365
MONTHS = np.array([31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
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
FILL = np.float32(1e20)
NOISE = 256
"""Random fields made for one file; the steps draw from them, turned and with either sign."""
COPY_STEPS = 64

Fields = Iterator[np.ndarray]


def daily_tas(folder: Path, years: int, layout: str) -> list[Path]:
    """Return the files of that many years in that layout, made where missing."""
    paths = tas_files(folder, years, layout)
    if layout == "deflated":
        _make(_deflated_tas, paths)
    else:
        daily_tas(folder, years, "deflated")
        _make(_copied_tas, paths)
    return paths


def monthly_ta(folder: Path, years: int) -> list[Path]:
    """Return the files of that many years of `ta`, missing below the ground, made where missing."""
    paths = ta_files(folder, years)
    _make(_deflated_ta, paths)
    return paths


def _make(write: Callable[[Path, Path], None], paths: list[Path]) -> None:
    """Make the files that are missing, each by one process."""
    missing = [path for path in paths if not path.exists()]
    if not missing:
        return
    missing[0].parent.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(min(len(missing), os.cpu_count() or 1)) as pool:
        list(pool.map(_complete, [write] * len(missing), missing))


def _complete(write: Callable[[Path, Path], None], path: Path) -> None:
    partial = path.with_suffix(".part")
    write(path, partial)
    partial.rename(path)


def _deflated_tas(path: Path, partial: Path) -> None:
    first, years = _years(path)
    edges = DAYS * (first - FIRST_YEAR) + np.arange(DAYS * years + 1)
    with netCDF4.Dataset(partial, "w") as dataset:
        axes(dataset, edges, unlimited=True)
        variable(dataset, "tas", ("time", "lat", "lon"), **LAYOUTS["deflated"])
    _put(partial, "tas", _tas_fields(first, DAYS * years), level=1)


def _copied_tas(path: Path, partial: Path) -> None:
    """Store the numbers of the deflated file in another layout."""
    _, _, layout, period = path.stem.split("_")
    version: Any = "NETCDF3_64BIT_OFFSET" if layout == "netcdf3" else "NETCDF4"
    source = path.with_name(f"tas_day_deflated_{period}.nc")
    with netCDF4.Dataset(source) as given, netCDF4.Dataset(partial, "w", format=version) as made:
        bounds = given["time_bnds"][:].filled()
        edges = np.append(bounds[:, 0], bounds[-1, 1])
        axes(made, edges, unlimited=layout == "netcdf3")
        tas = variable(made, "tas", ("time", "lat", "lon"), **LAYOUTS[layout])
        tas.set_auto_maskandscale(False)
        given["tas"].set_auto_maskandscale(False)
        for start in range(0, len(edges) - 1, COPY_STEPS):
            steps = slice(start, min(start + COPY_STEPS, len(edges) - 1))
            tas[steps] = given["tas"][steps]


def _deflated_ta(path: Path, partial: Path) -> None:
    first, years = _years(path)
    starts = np.concatenate([[0], np.cumsum(np.tile(MONTHS, years))])
    with netCDF4.Dataset(partial, "w") as dataset:
        axes(dataset, DAYS * (first - FIRST_YEAR) + starts, unlimited=True)
        dataset.createDimension("plev", LEVELS)
        plev = dataset.createVariable("plev", "f8", ("plev",))
        plev.setncatts({"units": "Pa", "standard_name": "air_pressure", "positive": "down"})
        plev[:] = np.geomspace(100_000, 100, LEVELS)
        chunks = (1, LEVELS, LATITUDES, LONGITUDES)
        dimensions = ("time", "plev", "lat", "lon")
        variable(dataset, "ta", dimensions, zlib=True, complevel=2, shuffle=True, chunksizes=chunks)
    _put(partial, "ta", _ta_fields(first, 12 * years), level=2)


def _years(path: Path) -> tuple[int, int]:
    """Return the first year of a file and how many it holds."""
    first, last = map(int, path.stem.rpartition("_")[2].split("-"))
    return first, last - first + 1


def axes(dataset: netCDF4.Dataset, edges: np.ndarray, *, unlimited: bool) -> None:
    """Define time with its edges in days since the first year, and the grid, all with bounds."""
    dataset.Conventions = "CF-1.8"
    dataset.createDimension("bnds", 2)
    dataset.createDimension("time", None if unlimited else len(edges) - 1)
    latitude = np.linspace(-90, 90, LATITUDES + 1)
    longitude = np.linspace(0, 360, LONGITUDES + 1)
    for name, units, values in (
        ("lat", "degrees_north", latitude),
        ("lon", "degrees_east", longitude),
        ("time", f"days since {FIRST_YEAR}-01-01", edges),
    ):
        if name != "time":
            dataset.createDimension(name, len(values) - 1)
        axis = dataset.createVariable(name, "f8", (name,))
        axis.setncatts({"units": units, "standard_name": name, "bounds": f"{name}_bnds"})
        bounds = dataset.createVariable(f"{name}_bnds", "f8", (name, "bnds"))
        bounds[:] = np.stack([values[:-1], values[1:]], axis=-1)
        axis[:] = (values[:-1] + values[1:]) / 2
    dataset["time"].calendar = "noleap"
    dataset["lat"].standard_name, dataset["lon"].standard_name = "latitude", "longitude"


def variable(
    dataset: netCDF4.Dataset, name: str, dimensions: tuple[str, ...], **options: Any
) -> netCDF4.Variable:
    """Define a temperature; `options` say how it is stored."""
    made = dataset.createVariable(name, "f4", dimensions, fill_value=FILL, **options)
    made.setncatts({"units": "K", "standard_name": "air_temperature"})
    return made


def deflated(field: np.ndarray, level: int) -> bytes:
    """Return the values shuffled and deflated as the HDF5 library does."""
    octets = field.reshape(-1).view("u1").reshape(-1, field.itemsize)
    return zlib.compress(octets.T.tobytes(), level)


def _put(path: Path, name: str, fields: Fields, *, level: int) -> None:
    """Put each field into the file as one chunk."""
    with h5py.File(path, "r+") as file:
        made = file[name]
        made.resize(file["time"].shape[0], axis=0)
        for step, field in enumerate(fields):
            place = (step,) + (0,) * (made.ndim - 1)
            made.id.write_direct_chunk(place, deflated(field, level))


def _tas_fields(seed: int, steps: int) -> Fields:
    south = np.linspace(1, -1, LATITUDES, dtype="f4")[:, None]
    still = 260 + 40 * (1 - south**2)
    for step, weather in enumerate(_weather(np.random.default_rng(seed), steps)):
        season = 10 * south * np.float32(np.cos(2 * np.pi * step / DAYS))
        yield still + season + 5 * weather


def _ta_fields(seed: int, steps: int) -> Fields:
    south = np.linspace(1, -1, LATITUDES, dtype="f4")[:, None]
    height = np.linspace(0, 1, LEVELS, dtype="f4")[:, None, None]
    still = 300 - 90 * height - 40 * (1 - height) * south**2
    ground = next(_weather(np.random.default_rng(0), 1)) - 1.2
    random = np.random.default_rng(seed)
    levels = [_weather(np.random.default_rng(random.integers(2**32)), steps) for _ in range(LEVELS)]
    for step in range(steps):
        season = 10 * south * np.float32(np.cos(2 * np.pi * step / 12))
        field = still + season + 3 * np.stack([next(level) for level in levels])
        yield np.where(ground > 6 * height, FILL, field)


def _weather(random: np.random.Generator, steps: int) -> Fields:
    """Yield fields of deviation 1, each correlated with the one before."""
    noise = _noise(random, min(steps, NOISE))
    field = noise[0]
    for _ in range(steps):
        number, turn = random.integers(len(noise)), random.integers(LONGITUDES)
        sign = np.float32(random.choice([-0.6, 0.6]))
        field = np.float32(0.8) * field + sign * np.roll(noise[number], turn, axis=1)
        yield field


def _noise(random: np.random.Generator, count: int) -> np.ndarray:
    rows = np.fft.fftfreq(LATITUDES)[:, None] * LATITUDES
    waves = np.hypot(rows, np.fft.rfftfreq(LONGITUDES)[None] * LONGITUDES)
    amplitude = np.where(waves > 0, np.maximum(waves, 1) ** -1.5, 0)
    fields = np.empty((count, LATITUDES, LONGITUDES), "f4")
    for field in fields:
        phases = np.exp(2j * np.pi * random.random(amplitude.shape))
        values = np.fft.irfft2(amplitude * phases, s=field.shape)
        field[...] = values / values.std()
    return fields


def main() -> None:
    """Make all files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument("--years", type=int, default=30, help="years of daily data; 30 are 2.4 GB")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    options = parser.parse_args()
    for layout in LAYOUTS:
        daily_tas(options.folder, options.years, layout)
    monthly_ta(options.folder, max(1, 2 * options.years // 3))


if __name__ == "__main__":
    main()
