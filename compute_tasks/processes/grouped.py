"""Processes that sort data into groups."""

import xarray as xr

from compute_tasks.cf.axes import axis_names, find_axis
from compute_tasks.cf.times import numbers
from compute_tasks.errors import InvalidInput, MissingInput
from compute_tasks.operators.grouping import Grouped
from compute_tasks.operators.parameters import edges, name
from compute_tasks.operators.streaming import without_fields
from compute_tasks.registry import Parameter, catalog

BINS = Parameter(
    "bins",
    "Edges of the bins, two or more increasing numbers joined by |, in units of what is binned.",
    parse=edges,
    kind="numbers",
    required=True,
)
BINNED = Parameter(
    "variable",
    "What is binned: a variable or an axis, by name or role; the only variable if not given.",
    parse=name,
    kind="name",
)


@catalog.process(
    "CDAT.groupby_bins",
    "Sort values into bins",
    parameters=[BINS, BINNED],
    returns_groups=True,
    streams=True,
)
def groupby_bins(dataset: xr.Dataset, *, bins: tuple[float, ...], variable: str | None) -> Grouped:
    """Sort the points into bins of a variable or an axis, for a reduction that follows.

    A bin holds the values above its lower edge, up to and including its upper edge; points outside
    all bins are left out. The reduction gives one value per bin, missing for bins without points,
    along a new axis with the middles of the bins. Bins of a time axis are in the units of the file.
    """
    label = variable or _only_variable(dataset)
    if label in dataset.data_vars:
        # Each of the bins would be a pass over the files, which dask reads once.
        plain = without_fields(dataset)
        return Grouped(plain, plain[label].reset_coords(drop=True), label, bins)
    axis = _axis(dataset, label)
    coordinate = dataset[axis]
    if not coordinate.ndim:
        raise InvalidInput(f"axis {axis!r} has a single value only", locator="variable")
    if coordinate.dtype.kind not in "iuf":
        try:
            coordinate = coordinate.copy(data=numbers(coordinate.variable))
        except ValueError as error:
            raise InvalidInput(f"axis {axis!r}: {error}", locator="variable") from error
    return Grouped(dataset, coordinate.reset_coords(drop=True), axis, bins)


def _axis(dataset: xr.Dataset, label: str) -> str:
    try:
        return find_axis(dataset, label, locator="variable")
    except InvalidInput as error:
        raise InvalidInput(
            f"{label!r} is neither a variable ({', '.join(map(str, dataset.data_vars))}) "
            f"nor an axis ({', '.join(axis_names(dataset))})",
            locator="variable",
        ) from error


def _only_variable(dataset: xr.Dataset) -> str:
    known = [str(n) for n in dataset.data_vars]
    if len(known) != 1:
        raise MissingInput(
            f"say what is binned: one of {', '.join(known)}, or an axis", locator="variable"
        )
    return known[0]
