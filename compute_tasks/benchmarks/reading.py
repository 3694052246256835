"""Reading and reducing through `engine="compute"` against `engine="netcdf4"`, in turns.

    python -m compute_tasks.benchmarks.reading --years 30 --pairs 5

Everything runs in one warm process with dask's threads, from the page cache; the first pair is
thrown away. A ratio above 1 says how many times faster `compute` is.
"""

import argparse
import importlib.metadata
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import xarray as xr

from compute_tasks.benchmarks.data import LAYOUTS, daily_tas

BLOCK = {"time": 365}
ENGINES = ("compute", "netcdf4")


def area_mean(tas: xr.DataArray) -> xr.DataArray:
    """Return the series of means over the globe, weighted by the cosine of latitude."""
    return tas.weighted(np.cos(np.deg2rad(tas.lat))).mean(("lat", "lon"))


def time_mean(tas: xr.DataArray) -> xr.DataArray:
    """Return the map of means over time."""
    return tas.mean("time")


def box(tas: xr.DataArray) -> xr.DataArray:
    """Return a tenth of the globe in every tenth step."""
    return tas.isel(time=slice(None, None, 10), lat=slice(80, 112), lon=slice(0, 172))


def load(tas: xr.DataArray) -> xr.DataArray:
    """Return the first year."""
    return tas.isel(time=slice(0, 365))


CASES: tuple[Callable[[xr.DataArray], xr.DataArray], ...] = (area_mean, time_mean, box, load)


def seconds(
    paths: list[Path], engine: str, case: Callable[[xr.DataArray], xr.DataArray]
) -> tuple[float, float, np.ndarray]:
    """Return the wall and processor seconds from opening to result, and the result."""
    wall, processor = time.perf_counter(), time.process_time()
    parts = [xr.open_dataset(path, engine=engine, chunks=BLOCK) for path in paths]
    result = case(xr.concat([part.tas for part in parts], "time")).values
    elapsed = time.perf_counter() - wall, time.process_time() - processor
    for part in parts:
        part.close()
    return *elapsed, result


def compare(
    paths: list[Path], case: Callable[[xr.DataArray], xr.DataArray], pairs: int
) -> dict[str, tuple[list[float], list[float]]]:
    """Return wall and processor seconds of each engine in turns; ValueError if results differ."""
    runs: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in ENGINES}
    for number in range(pairs + 1):
        results = []
        for engine in ENGINES:
            wall, processor, result = seconds(paths, engine, case)
            results.append(result)
            if number:
                runs[engine][0].append(wall)
                runs[engine][1].append(processor)
        # Blocks are summed in the order they arrive, so the last digits may differ.
        if not np.allclose(results[0], results[1], rtol=1e-5, equal_nan=True):
            raise ValueError(f"{case.__name__}: the engines differ")
    return runs


def report(layout: str, years: int, folder: Path, pairs: int) -> None:
    """Measure all cases on one layout and print a line for each."""
    paths = daily_tas(folder, years, layout)
    for case in CASES:
        runs = compare(paths, case, pairs)
        (ours, ours_cpu), (theirs, theirs_cpu) = runs["compute"], runs["netcdf4"]
        ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
        print(
            f"{layout:<11}{case.__name__:<10}"
            f"{statistics.median(ours):>9.3f}{statistics.median(theirs):>9.3f}"
            f"{statistics.median(ratios):>8.2f}  ({min(ratios):.2f}-{max(ratios):.2f})"
            f"{sum(theirs_cpu) / sum(ours_cpu):>8.2f}",
            flush=True,
        )


def main() -> None:
    """Read the options, make the data, measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--years", type=int, default=30, help="years of daily data; 30 are 2.4 GB")
    parser.add_argument("--pairs", type=int, default=5, help="measured pairs of each case")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    options = parser.parse_args()
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("xarray", "dask")]
    print(*versions, f"load {os.getloadavg()[0]:.1f}", sep=", ")
    print("layout     case      compute s  netcdf4 s  ratio  (range)  ratio of cpu")
    for layout in options.layouts:
        report(layout, options.years, options.folder, options.pairs)


if __name__ == "__main__":
    main()
