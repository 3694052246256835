"""What reductions share: which dimensions are meant, and what is left of a dataset without them."""

from collections.abc import Iterable, Mapping
from typing import Any

import xarray as xr

from compute_tasks.cf.axes import data_dimensions, find_dimensions
from compute_tasks.errors import InvalidInput


def asked_dimensions(dataset: xr.Dataset, axes: Iterable[str]) -> tuple[str, ...]:
    """Return the dimensions meant by names or roles of axes, each once.

    Raises InvalidInput with locator `axes` for an unknown axis and one that no variable has.
    """
    dims = find_dimensions(dataset, axes, locator="axes")
    check_dimensions(dataset, dims)
    return dims


def check_dimensions(dataset: xr.Dataset, dims: Iterable[str]) -> None:
    """Raise InvalidInput, locator `axes`, for a dimension that no variable has."""
    if stranger := [d for d in dims if d not in data_dimensions(dataset)]:
        raise InvalidInput(f"no variable has the axis {stranger[0]!r}", locator="axes")


def reduced(
    dataset: xr.Dataset, variables: Mapping[Any, xr.Variable], dims: Iterable[str]
) -> xr.Dataset:
    """Return new data variables with the attributes and what coordinates do not lie on `dims`."""
    gone = set(dims)
    kept = {n: c for n, c in dataset.coords.items() if not set(c.dims) & gone}
    return xr.Dataset(variables, attrs=dataset.attrs).assign_coords(kept)
