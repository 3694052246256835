"""Processes that cut out a part of their input."""

import xarray as xr

from compute_tasks.cf.axes import data_dimensions
from compute_tasks.domain.ranges import METHODS
from compute_tasks.operators.parameters import COMMON, choice
from compute_tasks.registry import Parameter, catalog

METHOD = Parameter(
    "method",
    "How a single asked value finds a point where none lies exactly: the nearest one, the next "
    "lower (pad) or the next higher (backfill). Ranges do not use it.",
    parse=choice(*METHODS),
    kind="choice",
    choices=METHODS,
)


@catalog.process("CDAT.subset", "Select a domain", parameters=[METHOD], common=COMMON, streams=True)
def subset(dataset: xr.Dataset, *, method: str | None) -> xr.Dataset:
    """Return the part of a variable inside the domain of the operation.

    Values and timestamps include both ends, indices leave out the end; equal ends pick one point
    and drop the axis. Values are in the units of the file, longitudes may be given in any turn.
    Values of the variable and its units do not change.
    """
    return dataset


@catalog.process("CDAT.squeeze", "Drop axes of length one", common=COMMON, streams=True)
def squeeze(dataset: xr.Dataset) -> xr.Dataset:
    """Return the variable without its axes of a single point, their coordinates included."""
    single = [d for d in data_dimensions(dataset) if dataset.sizes[d] == 1]
    return dataset.squeeze(single, drop=True)
