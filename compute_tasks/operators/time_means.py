"""Datasets averaged over groups of times, with the time axis, bounds and attributes CF asks for."""

from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.cf import cell_methods
from compute_tasks.cf.attributes import computed
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.calendar_periods import Frequency
from compute_tasks.operators.group_sums import group_means
from compute_tasks.operators.parameters import choice
from compute_tasks.operators.reducing import reduced
from compute_tasks.operators.statistics import check_numeric
from compute_tasks.operators.time_cells import TimeCells
from compute_tasks.operators.time_groups import Groups, Occurrences
from compute_tasks.registry import Parameter

LENGTH, EQUAL = "length", "none"
KEEP, DROP = "keep", "drop"
BOUNDS_ENCODING = ("units", "calendar")

WEIGHTS = Parameter(
    "weights",
    "How values count: by the length of time they stand for (length, the default), taken from the "
    "bounds of the time axis or worked out from its points, or all the same (none).",
    parse=choice(LENGTH, EQUAL),
    kind="choice",
    default=LENGTH,
    choices=(LENGTH, EQUAL),
)
INCOMPLETE = Parameter(
    "incomplete",
    "What happens to a period of which the input lacks a part, such as the first winter of a "
    "series: keep (the default) averages what there is, drop leaves the period out.",
    parse=choice(KEEP, DROP),
    kind="choice",
    default=KEEP,
    choices=(KEEP, DROP),
)


def frequency_parameter(*choices: Frequency, default: Frequency | None = None) -> Parameter:
    """Return the parameter `freq` with these choices; it is required without a default."""
    words = tuple(map(str, choices))
    return Parameter(
        "freq",
        f"The period: {', '.join(words[:-1])} or {words[-1]}. Seasons are DJF, MAM, JJA and SON; a "
        "winter belongs to the year of its January.",
        parse=lambda text: Frequency(choice(*words)(text)),
        kind="choice",
        required=default is None,
        default=default,
        choices=words,
    )


def weights_of(cells: TimeCells, weights: str) -> np.ndarray:
    """Return how much each point of the time axis counts."""
    return cells.lengths if weights == LENGTH else np.ones(cells.lower.shape)


def points_of_complete(found: Occurrences, frequency: Frequency) -> np.ndarray:
    """Return the positions of the points in complete periods; InvalidInput if there is none."""
    positions = np.flatnonzero(found.complete[found.codes])
    if not positions.size:
        raise InvalidInput(
            f"the input covers no {frequency} from start to end; incomplete=keep averages what "
            "there is",
            locator="incomplete",
        )
    return positions


def means(
    dataset: xr.Dataset, cells: TimeCells, groups: Groups, weights: np.ndarray, method: str
) -> xr.Dataset:
    """Return the mean of each group of times for every variable that has the time axis.

    `method` is added to their cell_methods. The result has no time coordinate (see `dated`).
    """
    check_numeric(dataset)
    variables = {}
    for name, data in dataset.data_vars.items():
        if cells.dimension not in data.dims:
            variables[name] = data.variable
            continue
        mean = group_means(data, cells.dimension, groups.codes, weights)
        mean.attrs = computed(data.attrs)
        mean.attrs["cell_methods"] = " ".join(
            filter(None, (data.attrs.get("cell_methods"), method))
        )
        variables[name] = mean
    return reduced(dataset, variables, [cells.dimension])


def method_of(dataset: xr.Dataset, cells: TimeCells, weights: str, *, climatology: bool) -> str:
    """Return the entry of cell_methods for a mean over groups of times."""
    axis = cell_methods.axis_label(dataset, cells.axis)
    comment = "" if weights == LENGTH else " (all values count the same)"
    if climatology:
        return f"{axis}: mean within years {axis}: mean over years{comment}"
    return f"{axis}: mean{comment}"


def dated(
    result: xr.Dataset, source: xr.Dataset, cells: TimeCells, groups: Groups, *, climatology: bool
) -> xr.Dataset:
    """Return the means with the dates and bounds of their groups, as CF names them."""
    coordinate = source[cells.axis]
    reference = {k: coordinate.encoding[k] for k in BOUNDS_ENCODING if k in coordinate.encoding}
    kind, name = ("climatology", "climatology_bnds") if climatology else ("bounds", None)
    name = name or f"{cells.axis}_bnds"
    attributes: dict[str, Any] = {
        key: value for key, value in computed(coordinate.attrs).items()
        if key not in ("bounds", "climatology")
    }  # fmt: skip
    encoding = {**reference, "dtype": "float64"}
    dates = xr.Variable(cells.dimension, groups.dates, attributes, {**encoding, kind: name})
    bounds = xr.Variable((cells.dimension, "bnds"), groups.bounds, {}, encoding)
    return result.assign_coords({cells.axis: dates, name: bounds})
