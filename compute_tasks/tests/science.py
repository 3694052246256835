"""Helpers for tests of the science: running processes by their request texts, and plain arrays."""

from typing import Any

import numpy as np
import xarray as xr

import compute_tasks.processes  # noqa: F401  registers the processes
from compute_tasks.domain.selection import select
from compute_tasks.model import CRS, Dimension, Domain
from compute_tasks.operators.apply import apply
from compute_tasks.registry import catalog


def run(identifier: str, *inputs: Any, **texts: str) -> Any:
    """Run a process on datasets, its parameters given as the texts of a request."""
    process = catalog[f"CDAT.{identifier}"]
    parsed = {name: process.parameter(name).parse(text) for name, text in texts.items()}
    return apply(process, inputs, parsed)


def cut(dataset: xr.Dataset, method: str | None = None, **ends: Any) -> xr.Dataset:
    """Select values along axes, each given as (start, end) or (start, end, step)."""
    return _select(dataset, CRS.VALUES, method, ends)


def cut_times(dataset: xr.Dataset, start: Any, end: Any, method: str | None = None) -> xr.Dataset:
    return _select(dataset, CRS.TIMESTAMPS, method, {"time": (start, end)})


def cut_indices(dataset: xr.Dataset, **ends: Any) -> xr.Dataset:
    return _select(dataset, CRS.INDICES, None, ends)


def _select(dataset: xr.Dataset, crs: CRS, method: str | None, ends: Any) -> xr.Dataset:
    dimensions = tuple(Dimension(name, *given, crs=crs) for name, given in ends.items())
    return select(dataset, Domain("d0", dimensions), method=method)


def line(values: Any, name: str = "v", dim: str = "x", **attributes: str) -> xr.Dataset:
    """Return a dataset of one variable along one dimension without coordinate."""
    return xr.Dataset({name: (dim, np.asarray(values), attributes)})


def no_compute(*args: object, **kwargs: object) -> None:
    """Stand in for a dask scheduler where nothing may be computed."""
    raise AssertionError("data were computed")
