"""Results as files: their names, their parts, and writing all of them in one pass.

A file has its name only when it is complete; before, it is `.<name>.part`. Waiting until it is on
disk is left to those to whom a power cut matters.
"""

import itertools
import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends.netCDF4_ import NETCDF4_PYTHON_LOCK

from compute_tasks.cf.times import is_time
from compute_tasks.engine.destination import Destination, Guard
from compute_tasks.outputs.encoding import encode
from compute_tasks.outputs.netcdf import Format, Target, create, fill, writing
from compute_tasks.outputs.provenance import tracking_id
from compute_tasks.parts import NO_PARTS, Parts

MAX_PARTS = 500
"""Files one result is split into, at most; beyond that the parts grow."""

MAX_NAME = 80

LOCK: Any = NETCDF4_PYTHON_LOCK
"""The NetCDF library is not safe in threads; xarray reads under the same lock."""


@dataclass(frozen=True, slots=True)
class Output:
    """A written file: the data variable it is about, the operation and process it is from."""

    path: Path
    variable: str
    operation: str
    process: str


@dataclass(frozen=True, slots=True)
class Result:
    """A computed dataset, complete with its attributes, coordinates in memory."""

    operation: str
    process: str
    dataset: xr.Dataset


def write(
    results: Sequence[Result],
    folder: Path,
    *,
    uid: str,
    format: Format,
    split_bytes: int,
    compute: Callable[[Any], object],
    stream: Callable[[Sequence[Destination], Guard], object],
    finishing: Callable[[int], None],
    parts: Parts = NO_PARTS,
) -> list[Output]:
    """Write every result and return the files in the same order.

    `compute` runs the dask graph of all of them, `stream` computes fields (`engine.field`) into
    closed files and writes inside the guard it is given. `finishing` is told the number of files
    before they get their names. Blocks of dask arrays are kept among the `parts`. On any error no
    file of these results remains.
    """
    pieces = [piece for result in results for piece in _pieces(result, uid, split_bytes)]
    with writing(folder.parent):
        folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        files = [stack.enter_context(_temporary(folder, name, format)) for name, _, _ in pieces]
        with LOCK:
            deferred = [
                fill(file, *encode(dataset))
                for file, (_, _, dataset) in zip(files, pieces, strict=True)
            ]
        if lazy := [pair for of_file in deferred for pair in of_file.lazy]:
            compute(_stored(lazy, parts))
        if fields := [field for of_file in deferred for field in of_file.fields]:
            with writing(folder):
                _close(files)
            stream(fields, partial(writing, folder))
        finishing(len(files))
        with writing(folder):
            _publish(files, [folder / name for name, _, _ in pieces])
    return [
        Output(folder / name, str(next(iter(dataset.data_vars))), r.operation, r.process)
        for name, r, dataset in pieces
    ]


def _pieces(result: Result, uid: str, limit: int) -> list[tuple[str, Result, xr.Dataset]]:
    """Return name, origin and dataset of each file one result becomes."""
    datasets = split(result.dataset, limit)
    if len(datasets) == 1:
        return [(file_name(result, datasets[0], uid), result, datasets[0])]
    return [
        (
            file_name(result, dataset, uid, f"{number:03d}"),
            result,
            dataset.assign_attrs(tracking_id=tracking_id(uid, f"{result.operation}/{number}")),
        )
        for number, dataset in enumerate(datasets)
    ]


def file_name(result: Result, dataset: xr.Dataset, uid: str, part: str = "") -> str:
    """Return `{process}_{operation}_{uid8}[_t0-t1][_part].nc`, safe in paths and URLs."""
    pieces = [_safe(result.process), _safe(result.operation), _safe(uid[:8])]
    pieces += [_period(dataset), part]
    return "_".join(filter(None, pieces)) + ".nc"


def split(dataset: xr.Dataset, limit: int) -> list[xr.Dataset]:
    """Return the dataset in parts of about `limit` bytes along its longest axis (0: whole)."""
    sizes: dict[Any, int] = {}
    for variable in dataset.data_vars.values():
        sizes |= variable.sizes
    total = sum(variable.nbytes for variable in dataset.data_vars.values())
    if not limit or total <= limit or not sizes:
        return [dataset]
    longest = max(sizes, key=lambda dimension: sizes[dimension])
    count = min(math.ceil(total / limit), sizes[longest], MAX_PARTS)
    edges = np.linspace(0, sizes[longest], count + 1).astype(int)
    return [dataset.isel({longest: slice(start, end)}) for start, end in itertools.pairwise(edges)]


def _safe(name: str) -> str:
    """Return the name with only letters, digits, `.`, `_`, `-`; different ones stay different."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", name).lstrip(".")[:MAX_NAME]
    return safe if safe == name else f"{safe}-{sha256(name.encode()).hexdigest()[:8]}"


def _period(dataset: xr.Dataset) -> str:
    """Return first and last day of the time axis as YYYYMMDD-YYYYMMDD; "" without such an axis."""
    for name in dataset.dims:
        axis = dataset.variables.get(name)
        if axis is not None and is_time(axis):
            ends = (axis.values.min(), axis.values.max())
            return "-".join(f"{t.year:04d}{t.month:02d}{t.day:02d}" for t in ends)
    return ""


@contextmanager
def _temporary(folder: Path, name: str, format: Format) -> Iterator[netCDF4.Dataset]:
    """Open a file under its temporary name; whatever happens, nothing under that name remains."""
    path = _unfinished(folder / name)
    with LOCK:
        file = create(path, format)
    try:
        yield file
    finally:
        # Still open only after an error; that one counts, not what closing a broken file adds.
        with LOCK, suppress(OSError, RuntimeError):
            if file.isopen():
                file.close()
        # A file that the library could not close keeps its room until the process ends.
        with suppress(OSError):
            os.truncate(path, 0)
        path.unlink(missing_ok=True)


def _stored(lazy: Sequence[tuple[Any, Target]], parts: Parts) -> Any:
    """Return a dask graph that writes each array to its target."""
    # Jobs that stream do not wait for dask to be loaded.
    from compute_tasks.outputs.storing import stored  # noqa: PLC0415

    return stored(lazy, LOCK, parts)


def _close(files: Iterable[netCDF4.Dataset]) -> None:
    with LOCK:
        for file in files:
            if file.isopen():
                file.close()


def _publish(files: Sequence[netCDF4.Dataset], paths: Sequence[Path]) -> None:
    """Close the files and give them their names; all of them or none."""
    _close(files)
    named: list[Path] = []
    try:
        for path in paths:
            _unfinished(path).replace(path)
            named.append(path)
    except BaseException:
        for path in named:
            path.unlink(missing_ok=True)
        raise


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")
