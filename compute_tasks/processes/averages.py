"""The process that averages over cells by their size."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from compute_tasks.cf import cell_methods
from compute_tasks.cf.attributes import computed
from compute_tasks.cf.grids import match
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.averaging import weighted_mean
from compute_tasks.operators.parameters import FILLNA, RENAME, choice, names
from compute_tasks.operators.reducing import asked_dimensions, reduced
from compute_tasks.operators.statistics import check_numeric
from compute_tasks.operators.weights import (
    AREA,
    CHOICES,
    Weight,
    cell_weights,
    horizontal_dimensions,
)
from compute_tasks.registry import Parameter, catalog

AXES = Parameter(
    "axes",
    "Axes to average over, by name or role (x, y, z, t), joined by |; x and y if not given.",
    parse=names,
    kind="names",
)
WEIGHTS = Parameter(
    "weights",
    "How cells count: by area (the default), by the cosine of their latitude (cos), or all the "
    "same (none). Not to be given with weights as second input.",
    parse=choice(*CHOICES),
    kind="choice",
    choices=CHOICES,
)


@catalog.process(
    "CDAT.average",
    "Average weighted by area",
    inputs=(1, 2),
    parameters=[AXES, WEIGHTS],
    common=(FILLNA, RENAME),
    streams=True,
)
def average(*datasets: xr.Dataset, axes: tuple[str, ...] | None, weights: str | None) -> xr.Dataset:
    """Average over x and y, or the given axes, weighted by the size of the cells.

    Areas follow from the bounds of latitude and longitude, or from bounds half way between points
    where the file has none; on other grids they are the cell measure of the file. A second input
    holds the weights instead, such as areacella. Times are weighted by their length, levels by
    their bounds if they have any, unless weights are none. Cells are taken whole, also at the edge
    of a region. Missing values are left out. Units stay; the result is in double precision, and
    its cell_methods tell the weights.
    """
    dataset = datasets[0]
    check_numeric(dataset)
    dims = () if axes else horizontal_dimensions(dataset)
    dims = dims or asked_dimensions(dataset, axes or ("x", "y"))
    if len(datasets) == 2:
        factors = _with_given(dataset, datasets[1], dims, weights)
    else:
        factors = cell_weights(dataset, dims, weights or AREA)
    averaged = {
        name: _averaged(dataset, data, factors, dims) for name, data in dataset.data_vars.items()
    }
    return reduced(dataset, averaged, dims)


def _averaged(
    dataset: xr.Dataset, data: xr.DataArray, factors: Sequence[Weight], dims: Sequence[str]
) -> xr.Variable:
    own = [d for d in dims if d in data.dims]
    if not own:
        return data.variable
    used = [f for f in factors if set(f.array.dims) & set(own)]
    if strange := {d for f in used for d in map(str, f.array.dims)} - set(map(str, data.dims)):
        raise InvalidInput(
            f"the weights have the axis {', '.join(sorted(strange))}, which {data.name} has not",
            locator="weights",
        )
    result = weighted_mean(data, [factor.array for factor in used], own)
    result.attrs = computed(data.attrs)
    result.attrs.pop("cell_measures", None)
    result.attrs["cell_methods"] = cell_methods.appended(
        data.attrs.get("cell_methods"), _labels(dataset, own), f"mean ({_note(dataset, used, own)})"
    )
    return result


def _with_given(
    dataset: xr.Dataset, other: xr.Dataset, dims: Sequence[str], method: str | None
) -> list[Weight]:
    """Return the weights of the second input, and those of times and levels it does not weigh."""
    if method is not None:
        raise InvalidInput(
            f"weights={method} came with weights as second input; leave one of them out",
            locator="weights",
        )
    check_numeric(other)
    if len(other.data_vars) != 1:
        held = ", ".join(map(str, other.data_vars))
        raise InvalidInput(
            f"the second input holds {held}; it must hold the weights only", locator="variable"
        )
    name, given = next(iter(match(dataset, other, "the data", "the weights").data_vars.items()))
    if not set(given.dims) & set(dims):
        raise InvalidInput(
            f"the weights {name} have none of the axes {', '.join(dims)}", locator="weights"
        )
    array = given.reset_coords(drop=True).astype(np.float64).fillna(0.0)
    covered = {*given.dims, *horizontal_dimensions(dataset)}
    rest = [d for d in dims if d not in covered]
    return [*cell_weights(dataset, rest, AREA), Weight(array, str(name))]


def _labels(dataset: xr.Dataset, dims: Sequence[str]) -> list[str]:
    """Return the names cell_methods has for the axes: `area` for both horizontal ones."""
    horizontal = set(horizontal_dimensions(dataset))
    if not horizontal or not horizontal <= set(dims):
        return [cell_methods.axis_label(dataset, d) for d in dims]
    others = [cell_methods.axis_label(dataset, d) for d in dims if d not in horizontal]
    return ["area", *others]


def _note(dataset: xr.Dataset, factors: Sequence[Weight], dims: Sequence[str]) -> str:
    notes = list(dict.fromkeys(factor.note for factor in factors))
    weighted = {d for factor in factors for d in factor.array.dims}
    plain = [cell_methods.axis_label(dataset, d) for d in dims if d not in weighted]
    text = [f"weighted: {', '.join(notes)}"] if notes else []
    return ", ".join([*text, *([f"unweighted: {', '.join(plain)}"] if plain else [])])
