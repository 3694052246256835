"""How much the cells along an axis count in an average: areas, thicknesses, lengths of time.

Each weight lies on one dimension, or is a field of cell areas; the weight of a point is their
product. They are in memory and small, since the product itself is never made.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.cf.axes import bounds_name, conventions, find_axis
from compute_tasks.cf.times import is_time
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.time_cells import time_cells

AREA, COSINE, EQUAL = "area", "cos", "none"
CHOICES = (AREA, COSINE, EQUAL)
CIRCLE = 360.0
Widths = Callable[[np.ndarray], np.ndarray | None]


@dataclass(frozen=True, slots=True)
class Weight:
    """Weights along one or more dimensions, and how cell_methods tells of them."""

    array: xr.DataArray
    note: str


def horizontal_dimensions(dataset: xr.Dataset) -> tuple[str, ...]:
    """Return the dimensions of both latitudes and longitudes, also where these vary along two.

    Empty if the dataset has not both.
    """
    try:
        axes = [find_axis(dataset, role) for role in "yx"]
    except InvalidInput:
        return ()
    dims = [dataset[a].dims if a in dataset.coords else (a,) for a in axes]
    if not all(dims):
        return ()
    return tuple(dict.fromkeys(str(d) for own in dims for d in own))


def cell_weights(dataset: xr.Dataset, dims: Sequence[str], method: str) -> list[Weight]:
    """Return the weights of the cells along `dims`: `area`, `cos` (of latitude) or `none`.

    Times are weighted by their lengths and levels by their bounds, if they have any, unless the
    method is `none`; another axis gets no weight. Raises InvalidInput with locator `weights` for
    horizontal axes that have no latitudes and longitudes of their own, and whose cells have no
    areas in the dataset.
    """
    if method == EQUAL:
        return []
    weights = [*_along(dataset, dims)]
    if method == COSINE:
        return weights + _cosines(dataset, dims)
    return weights + _areas(dataset, dims)


def _along(dataset: xr.Dataset, dims: Sequence[str]) -> list[Weight]:
    """Return the weights of times and levels."""
    weights = []
    if (time := _axis(dataset, "t", dims)) and is_time(dataset[time].variable):
        lengths = time_cells(dataset).lengths
        weights.append(_weight(lengths, dataset[time].dims, "times by length"))
    if level := _axis(dataset, "z", dims):
        widths = _widths(_bounds(dataset, level))
        if widths is not None:
            weights.append(_weight(widths, dataset[level].dims, "levels by bounds"))
    return weights


def _areas(dataset: xr.Dataset, dims: Sequence[str]) -> list[Weight]:
    x, y = (_axis(dataset, role, dims) for role in "xy")
    others = [d for d in horizontal_dimensions(dataset) if d in dims and d not in (x, y)]
    if others or not all(_in_degrees(dataset, axis) for axis in (x, y) if axis):
        return [_measured(dataset, dims)]
    weights = [_extent(dataset, y, latitude_widths)] if y else []
    return weights + ([_extent(dataset, x, longitude_widths)] if x else [])


def _extent(dataset: xr.Dataset, axis: str, widths: Widths) -> Weight:
    """Return the share each cell along a horizontal axis has in the area."""
    dims = dataset[axis].dims
    bounds = _bounds(dataset, axis)
    given = None if bounds is None else widths(bounds)
    if given is not None:
        return _weight(given, dims, "area from bounds")
    inferred = widths(_inferred(dataset[axis].values, circular=widths is longitude_widths))
    if inferred is None:
        raise _no_areas(f"two cells along {axis!r} lie in one place")
    return _weight(inferred, dims, "area from inferred bounds")


def latitude_widths(bounds: np.ndarray) -> np.ndarray | None:
    """Return the areas of unit-wide bands between (n, 2) latitudes; None if one has no area."""
    edges = np.sin(np.deg2rad(np.clip(bounds, -90, 90)))
    return _widths(edges)


def longitude_widths(bounds: np.ndarray) -> np.ndarray | None:
    """Return the widths between (n, 2) longitudes, the short way; None if one has no width."""
    widths = np.abs(bounds[:, 1] - bounds[:, 0])
    if len(widths) > 1:
        widths = np.where(widths > CIRCLE / 2, np.abs(CIRCLE - widths), widths)
    return widths if np.isfinite(widths).all() and (widths > 0).all() else None


def _cosines(dataset: xr.Dataset, dims: Sequence[str]) -> list[Weight]:
    y = _axis(dataset, "y", dims)
    others = [
        d for d in horizontal_dimensions(dataset) if d in dims and d != _axis(dataset, "x", dims)
    ]
    if others not in ([], [y]) or (y and not _in_degrees(dataset, y)):
        raise _no_areas("weights=cos needs latitudes along an axis of their own")
    if not y:
        return []
    cosines = np.cos(np.deg2rad(np.clip(dataset[y].values.astype(np.float64), -90, 90)))
    return [_weight(cosines, dataset[y].dims, "cosine of latitude")]


def _measured(dataset: xr.Dataset, dims: Sequence[str]) -> Weight:
    """Return the areas of the cells that the file itself holds as a cell measure."""
    for name in conventions(dataset).cell_measures.get("area", ()):
        if name in dataset.coords and set(dataset[name].dims) & set(dims):
            area = dataset[name].reset_coords(drop=True)
            return Weight(area.astype(np.float64).fillna(0.0), f"area from {name}")
    raise _no_areas("the areas of the cells do not follow from the axes")


def _no_areas(text: str) -> InvalidInput:
    return InvalidInput(
        f"{text}; give them as second input, such as areacella, or weights=none", locator="weights"
    )


def _weight(values: np.ndarray, dims: Sequence[object], note: str) -> Weight:
    return Weight(xr.DataArray(np.asarray(values, np.float64), dims=list(dims)), note)


def _axis(dataset: xr.Dataset, role: str, dims: Sequence[str]) -> str | None:
    """Return the coordinate of a role if it lies along just one of `dims`."""
    try:
        axis = find_axis(dataset, role)
    except InvalidInput:
        return None
    return axis if axis in dataset.coords and dataset[axis].dims in [(d,) for d in dims] else None


def _in_degrees(dataset: xr.Dataset, axis: str) -> bool:
    units = str(dataset[axis].attrs.get("units", "degrees"))
    return units.lower().startswith("degree")


def _bounds(dataset: xr.Dataset, axis: str) -> np.ndarray | None:
    name = bounds_name(dataset, axis)
    if name is None or dataset[name].shape != (dataset[axis].size, 2):
        return None
    return np.asarray(dataset[name].values, np.float64)


def _widths(bounds: np.ndarray | None) -> np.ndarray | None:
    if bounds is None:
        return None
    widths = np.abs(bounds[:, 1] - bounds[:, 0])
    return widths if np.isfinite(widths).all() and (widths > 0).all() else None


def _inferred(values: np.ndarray, *, circular: bool) -> np.ndarray:
    """Return bounds half way between points; a lone point gets an arbitrary width."""
    centres = np.asarray(values, np.float64)
    centres = np.unwrap(centres, period=CIRCLE) if circular else centres
    if centres.size == 1:
        return np.stack([centres - 0.5, centres + 0.5], axis=1)
    middle = (centres[1:] + centres[:-1]) / 2
    first, last = 2 * centres[0] - middle[0], 2 * centres[-1] - middle[-1]
    edges = np.concatenate([[first], middle, [last]])
    return np.stack([edges[:-1], edges[1:]], axis=1)
