"""Finding the horizontal grid of a dataset: rows and columns, or points in any arrangement."""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.cf.axes import bounds_name, find_axis
from compute_tasks.errors import InvalidInput
from compute_tasks.regrid import cells
from compute_tasks.regrid.grids import Grid, Points

LOCATOR = "operation"


@dataclass(frozen=True, slots=True)
class Horizontal:
    """The dimensions a dataset's grid lies on, names for the axes of another grid, the grid."""

    dims: tuple[str, ...]
    names: tuple[str, str]
    grid: Grid | Points

    @property
    def listed(self) -> str:
        """The dimensions in words."""
        return " and ".join(self.dims)


def read(dataset: xr.Dataset) -> Horizontal:
    """Return where the data of a dataset lie; only coordinates are read.

    Raises InvalidInput when there are no latitudes and longitudes, or they cannot be understood.
    """
    lat, lon = (find_axis(dataset, name, locator=LOCATOR) for name in ("latitude", "longitude"))
    for axis in (lat, lon):
        if axis not in dataset.coords or not dataset[axis].ndim:
            kind = "is a single value" if axis in dataset.coords else "has no coordinate values"
            raise _refused(f"axis {axis!r} {kind}; regridding needs latitudes and longitudes")
    rows, columns = dataset[lat].dims, dataset[lon].dims
    if len(rows) == len(columns) == 1 and rows != columns:
        dims = str(rows[0]), str(columns[0])
        return Horizontal(dims, dims, _grid(dataset, lat, lon))
    if set(rows) != set(columns):
        raise _refused(f"{lat!r} varies along {_listed(rows)}, {lon!r} along {_listed(columns)}")
    return Horizontal(tuple(map(str, rows)), ("lat", "lon"), _points(dataset, lat, lon))


def _refused(text: str) -> InvalidInput:
    return InvalidInput(text, locator=LOCATOR)


def _listed(dims: tuple[object, ...]) -> str:
    return " and ".join(map(str, dims))


def _grid(dataset: xr.Dataset, lat: str, lon: str) -> Grid:
    axes = []
    for name, axis in ((lat, cells.latitudes), (lon, cells.longitudes)):
        try:
            axes.append(axis(_degrees(dataset, name), _bounds(dataset, name)))
        except ValueError as error:
            raise _refused(f"axis {name!r} {error}") from error
    return Grid(*axes)


def _points(dataset: xr.Dataset, lat: str, lon: str) -> Points:
    order = dataset[lat].dims
    longitudes = dataset[lon].variable.transpose(*order)
    dataset = dataset.assign_coords({lon: longitudes})
    points = Points(*(_values(dataset, name).ravel() for name in (lat, lon)))
    if not np.isfinite(points.lat + points.lon).any():
        raise _refused(f"no point has both {lat!r} and {lon!r}")
    return points


def _degrees(dataset: xr.Dataset, name: str) -> np.ndarray:
    values = _values(dataset, name)
    if not np.isfinite(values).all():
        raise ValueError("has missing values")
    return values


def _values(dataset: xr.Dataset, name: str) -> np.ndarray:
    values = np.asarray(dataset[name].values, dtype=np.float64)
    return np.degrees(values) if _in_radians(dataset, name) else values


def _bounds(dataset: xr.Dataset, name: str) -> np.ndarray | None:
    bounds = bounds_name(dataset, name)
    if bounds is None or dataset[bounds].shape != (dataset[name].size, 2):
        return None
    values = np.asarray(dataset[bounds].values, dtype=np.float64)
    return np.degrees(values) if _in_radians(dataset, name) else values


def _in_radians(dataset: xr.Dataset, name: str) -> bool:
    return str(dataset[name].attrs.get("units", "")).lower() in {"radian", "radians", "rad"}
