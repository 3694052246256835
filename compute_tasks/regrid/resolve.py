"""The target grid of a step, and the part of it inside a domain."""

from collections.abc import Mapping
from dataclasses import replace

import xarray as xr

from compute_tasks.cf.axes import find_axis
from compute_tasks.domain.selection import select
from compute_tasks.errors import InvalidInput
from compute_tasks.jsontext import shown
from compute_tasks.model import CRS, Domain
from compute_tasks.regrid import targets
from compute_tasks.regrid.grids import Grid, check_size
from compute_tasks.regrid.horizontal import read


def target(text: str, domains: Mapping[str, Domain], opened: Mapping[str, xr.Dataset]) -> Grid:
    """Return the grid a checked request means: by its form, of an opened variable, of a domain.

    Raises InvalidInput for a variable whose grid has no rows and columns, TooLarge for its size.
    """
    if targets.is_named(text):
        return targets.named(text)
    if text in domains:
        return targets.of_domain(domains[text])
    grid = read(opened[text]).grid
    if not isinstance(grid, Grid):
        raise InvalidInput(
            f"the grid of {shown(text)} has no rows of one latitude and columns of one longitude; "
            f"give one that has, or one of {targets.FORMS}",
            locator="operation",
        )
    check_size(grid.shape, text)
    return grid


def inside(dataset: xr.Dataset, domain: Domain) -> xr.Dataset:
    """Return the regridded dataset inside the domain's ranges of latitude and longitude values."""
    axes = {find_axis(dataset, name) for name in ("latitude", "longitude")}
    ranges = tuple(
        replace(dimension, step=1)
        for dimension in domain.dimensions
        if dimension.crs is CRS.VALUES and _axis(dataset, dimension.name) in axes
    )
    return select(dataset, Domain(domain.name, ranges))


def _axis(dataset: xr.Dataset, name: str) -> str | None:
    try:
        return find_axis(dataset, name)
    except InvalidInput:
        return None
