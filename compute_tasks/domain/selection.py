"""Cutting a domain out of a dataset, and masking it. Data stay lazy; only coordinates are read."""

from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.cf import grids
from compute_tasks.cf.axes import bounds_name, find_axis
from compute_tasks.domain.ranges import (
    LOCATOR,
    Range,
    asked_range,
    inside,
    nearest,
    number,
    refusal,
)
from compute_tasks.errors import InvalidInput
from compute_tasks.model import CRS, Dimension, Domain, Mask
from compute_tasks.operators import conditions


def select(dataset: xr.Dataset, domain: Domain, *, method: str | None = None) -> xr.Dataset:
    """Return the part of `dataset` inside the dimensions of `domain`; its mask is not applied.

    `method` says how a single asked value finds a point: `nearest`, `pad` (the next lower value)
    or `backfill` (the next higher one); without it the point must be there. Raises InvalidInput
    with locator `domain` for unknown or doubly named axes and for an empty selection.
    """
    for name, dimension in _by_axis(dataset, domain).items():
        dataset = _select_axis(dataset, name, dimension, method)
    return dataset


def apply_mask(dataset: xr.Dataset, mask: Mask, mask_data: xr.DataArray) -> xr.Dataset:
    """Return `dataset` with the cells missing where the mask's condition is true.

    The condition compares `mask_data`, the variable of the mask, or `var_data`, the data
    themselves. Raises InvalidInput with locator `domain` if the grids differ or the condition
    cannot be read.
    """
    try:
        condition = conditions.parse(mask.operation)
    except ValueError as error:
        raise InvalidInput(f"mask operation: {error}", locator=LOCATOR) from error
    if condition.name not in {"mask_data", "var_data", mask.variable}:
        raise InvalidInput(
            f"mask operation {mask.operation!r} must compare mask_data or var_data", locator=LOCATOR
        )
    if condition.name == "var_data":
        hidden = {name: condition.test(data) for name, data in dataset.data_vars.items()}
    else:
        hidden = dict.fromkeys(
            dataset.data_vars, condition.test(_on_grid(dataset, mask, mask_data))
        )
    return dataset.assign(
        {name: conditions.keep(dataset[[name]], ~where)[name] for name, where in hidden.items()}
    )


def _on_grid(dataset: xr.Dataset, mask: Mask, mask_data: xr.DataArray) -> xr.DataArray:
    """Return the mask's variable on the axes of the dataset."""
    source = f"the mask {mask.uri}"
    there = mask_data.to_dataset(name="mask_data")
    there = grids.match(dataset, there, "the data", source, locator=LOCATOR)
    for name, data in dataset.data_vars.items():
        if extra := [str(d) for d in there["mask_data"].dims if d not in data.dims]:
            text = f"{source} has the axis {', '.join(extra)}, which {name} has not"
            raise InvalidInput(text, locator=LOCATOR)
    return there["mask_data"]


def _by_axis(dataset: xr.Dataset, domain: Domain) -> dict[str, Dimension]:
    asked: dict[str, Dimension] = {}
    for dimension in domain.dimensions:
        axis = find_axis(dataset, dimension.name, locator=LOCATOR)
        if axis in asked:
            raise InvalidInput(
                f"{asked[axis].name!r} and {dimension.name!r} both mean the axis {axis!r}",
                locator=LOCATOR,
            )
        asked[axis] = dimension
    return asked


def _select_axis(
    dataset: xr.Dataset, name: str, dimension: Dimension, method: str | None
) -> xr.Dataset:
    if dimension.step < 1:
        raise refusal(name, f"step must be 1 or more, not {dimension.step}")
    if dimension.crs == CRS.INDICES:
        return _select_indices(dataset, name, dimension)
    asked = asked_range(dataset, name, dimension)
    if asked.variable.ndim and asked.point is not None:
        position, shift = nearest(asked, asked.point, method)
        return _take(dataset, asked, np.asarray(position), np.asarray(shift))
    positions, shifts = inside(asked)
    if not asked.variable.ndim:
        return dataset
    step = dimension.step
    return _take(dataset, asked, positions[::step], shifts[::step])


def _select_indices(dataset: xr.Dataset, name: str, dimension: Dimension) -> xr.Dataset:
    if name not in dataset.dims:
        dims = dataset[name].dims
        text = f"it varies along {' and '.join(map(str, dims))}" if dims else "it is a single value"
        raise refusal(name, f"indices select along dimensions, but {text}")
    size = dataset.sizes[name]
    start, end = _index(name, dimension.start), _index(name, dimension.end)
    if start is not None and start == end:
        if not -size <= start < size:
            raise refusal(name, f"index {start} is out of range; the indices are 0 to {size - 1}")
        return dataset.isel({name: start})
    chosen = slice(start, end, dimension.step)
    if not len(range(*chosen.indices(size))):
        raise refusal(
            name, f"indices {start} to {end} select nothing; the indices are 0 to {size - 1}"
        )
    return dataset.isel({name: chosen})


def _index(name: str, end: Any) -> int | None:
    if end is None:
        return None
    value = number(name, end)
    if not value.is_integer():
        raise refusal(name, f"{end!r} is no index; indices are whole numbers")
    return int(value)


def _take(
    dataset: xr.Dataset, asked: Range, positions: np.ndarray, shifts: np.ndarray
) -> xr.Dataset:
    """Return the dataset at the positions, with the coordinate and its bounds shifted."""
    bounds = bounds_name(dataset, asked.name)
    taken = dataset.isel({asked.variable.dims[0]: _indexer(positions)})
    if not shifts.any():
        return taken
    shifted = {}
    for name in filter(None, (asked.name, bounds)):
        variable = taken[name].variable
        offsets = xr.Variable(taken[asked.name].dims, shifts)
        moved = (variable + offsets).transpose(*variable.dims)
        shifted[name] = variable.copy(data=moved.astype(variable.dtype).data)
    return taken.assign_coords(shifted)


def _indexer(positions: np.ndarray) -> Any:
    """Return evenly spaced positions as a slice, which reads less and copies nothing."""
    if not positions.ndim:
        return int(positions)
    steps = np.unique(np.diff(positions))
    if steps.size > 1 or (steps.size and steps[0] < 1):
        return positions
    return slice(int(positions[0]), int(positions[-1]) + 1, int(steps[0]) if steps.size else 1)
