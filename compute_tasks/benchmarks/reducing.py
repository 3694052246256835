"""Streamed reductions against xarray and dask (`engine="netcdf4"`) and the floor, in turns.

    python -m compute_tasks.benchmarks.reducing --years 30 --pairs 5

The floor is what reading and inflating the same chunks costs in as many threads, and nothing else.
On a machine that others use too, the processor time tells more than the clock: both are compared.
Everything runs in one warm process from the page cache; the first round is thrown away.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from compute_tasks.benchmarks.data import DAYS, LAYOUTS, daily_tas
from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.bytes import fill
from compute_tasks.engine.filters import DEFLATE, INFLATE
from compute_tasks.engine.index import index_file
from compute_tasks.engine.reader import opened
from compute_tasks.engine.reduction import Reduction, Source
from compute_tasks.engine.stream import memory, reduce
from compute_tasks.engine.threads import width

BLOCK = {"time": 365}
BATCH = 64


@dataclass(frozen=True, slots=True)
class Case:
    """One reduction in both forms."""

    name: str
    ours: Callable[[Source], Reduction]
    theirs: Callable[[xr.DataArray], xr.DataArray]


def cosines(source: Source) -> dict[int | tuple[int, ...], np.ndarray]:
    """Return weights for the rows of latitude of the data."""
    count = source.shape[1]
    return {1: np.cos(np.deg2rad((np.arange(count) + 0.5) * 180 / count - 90))}


def months(source: Source) -> np.ndarray:
    """Return a month, about, for each day of years of 365 days."""
    return np.arange(source.shape[0]) % DAYS * 12 // DAYS


def monthly_mean(tas: xr.DataArray) -> xr.DataArray:
    """Return the means of the twelve months of `months`."""
    labels = xr.DataArray(np.arange(tas.time.size) % DAYS * 12 // DAYS, dims="time", name="month")
    return tas.groupby(labels).mean()


CASES = (
    Case(
        "area mean",
        lambda source: Reduction("mean", frozenset({1, 2}), cosines(source)),
        lambda tas: tas.weighted(np.cos(np.deg2rad(tas.lat))).mean(("lat", "lon")),
    ),
    Case("time mean", lambda _: Reduction("mean", frozenset({0})), lambda tas: tas.mean("time")),
    Case("time max", lambda _: Reduction("max", frozenset({0})), lambda tas: tas.max("time")),
    Case("time std", lambda _: Reduction("std", frozenset({0})), lambda tas: tas.std("time")),
    Case(
        "monthly mean",
        lambda source: Reduction("mean", frozenset({0}), {}, 0, months(source), 12),
        monthly_mean,
    ),
)


def source_of(paths: list[Path]) -> Source:
    """Return the whole of `tas` in the files, one after the other."""
    pieces: list[Piece] = []
    for path in paths:
        index = index_file(path)
        tas = index.variables["tas"]
        start = pieces[-1].end[0] if pieces else 0
        pieces.append(Piece(index.identity, tas, tuple(map(range, tas.shape)), (start, 0, 0)))
    return Source(tuple(pieces), np.dtype("f4"), (1e20,))


def with_xarray(paths: list[Path], case: Case) -> np.ndarray:
    """Reduce with xarray and dask, through the NetCDF library."""
    parts = [xr.open_dataset(path, engine="netcdf4", chunks=BLOCK) for path in paths]
    result: np.ndarray = case.theirs(xr.concat([part.tas for part in parts], "time")).values
    for part in parts:
        part.close()
    return result


def floor(source: Source, threads: int) -> None:
    """Read and inflate every chunk, and do nothing with it."""
    batches = [
        (piece, range(begin, min(begin + BATCH, piece.variable.offsets.size)))
        for piece in source.pieces
        for begin in range(0, piece.variable.offsets.size, BATCH)
    ]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(_inflate, batches))


def _inflate(batch: tuple[Piece, range]) -> None:
    piece, numbers = batch
    variable = piece.variable
    offsets, sizes = variable.offsets.ravel().tolist(), variable.sizes.ravel().tolist()
    stored, out = np.empty(max(sizes), "u1"), np.empty(variable.chunk_bytes, "u1")
    with opened(piece.file) as descriptor:
        for number in numbers:
            data = stored[: sizes[number]]
            fill(descriptor, data, offsets[number])
            if variable.filters:
                INFLATE[DEFLATE](data, out=out)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of the clock and of processors."""

    wall: float
    processor: float


def measure(paths: list[Path], case: Case, pairs: int, threads: int) -> dict[str, list[Cost]]:
    """Return the cost of each way in turns; ValueError if the results differ."""
    source = source_of(paths)
    reduction = case.ours(source)
    results: dict[str, np.ndarray] = {}

    def stream() -> None:
        results["ours"] = reduce(source, reduction, threads=threads)

    def peer() -> None:
        results["theirs"] = with_xarray(paths, case)

    ways: dict[str, Callable[[], None]] = {
        "stream": stream,
        "floor": partial(floor, source, threads),
        "xarray": peer,
    }
    costs: dict[str, list[Cost]] = {name: [] for name in ways}
    for number in range(pairs + 1):
        for name, way in ways.items():
            cost = timed(way)
            if number:
                costs[name].append(cost)
    # xarray's float32 sums lose digits that the float64 of the streamed ones keep.
    if not np.allclose(results["ours"], results["theirs"], rtol=1e-4):
        raise ValueError(f"{case.name}: the results differ")
    return costs


def timed(way: Callable[[], None]) -> Cost:
    """Return what a call costs."""
    wall, processor = time.perf_counter(), time.process_time()
    way()
    return Cost(time.perf_counter() - wall, time.process_time() - processor)


def report(paths: list[Path], layout: str, case: Case, pairs: int, threads: int) -> None:
    """Measure one case and print its line."""
    costs = measure(paths, case, pairs, threads)
    ours, least, theirs = (statistics.median(c.wall for c in costs[name]) for name in costs)
    paired = zip(costs["stream"], costs["floor"], strict=True)
    processor = statistics.median(a.processor / b.processor for a, b in paired)
    source = source_of(paths)
    needed = memory(source, case.ours(source), threads=threads) / 1e6
    print(
        f"{layout:<11}{case.name:<13}{ours:>8.3f}{least:>8.3f}{theirs:>8.3f}"
        f"{ours / least:>9.2f}{processor:>11.2f}{theirs / ours:>9.2f}{needed:>9.0f}",
        flush=True,
    )


def main() -> None:
    """Read the options, make the data, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawTextHelpFormatter
    parser.add_argument("--years", type=int, default=30, help="years of daily data; 30 are 2.4 GB")
    parser.add_argument("--pairs", type=int, default=5, help="measured rounds of each case")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--layouts", nargs="+", choices=LAYOUTS, default=list(LAYOUTS))
    parser.add_argument("--threads", type=int, default=width())
    options = parser.parse_args()
    print(f"warm process, {options.threads} threads, load {os.getloadavg()[0]:.1f}; median seconds")
    print("layout     case           stream   floor  xarray  x floor  processor  speedup        MB")
    for layout in options.layouts:
        paths = daily_tas(options.folder, options.years, layout)
        for case in CASES:
            report(paths, layout, case, options.pairs, options.threads)


if __name__ == "__main__":
    main()
