"""Horizontal grids as numbers: centres and cells of latitude and longitude, in degrees.

Grids are equal when all their numbers are, so that weights can be kept for a pair of grids.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import xarray as xr

from compute_tasks.errors import TooLarge

CIRCLE = 360.0
MAX_CELLS = 2_000_000
"""Cells a target grid may have: 0.18 degrees round the globe."""


class _Numbers:
    """A value that is equal to another when all its numbers are."""

    def numbers(self) -> tuple[np.ndarray, ...]:
        """Return what the value consists of."""
        raise NotImplementedError

    @cached_property
    def digest(self) -> bytes:
        """The numbers in sixteen bytes, for comparing."""
        digest = hashlib.blake2b(type(self).__name__.encode(), digest_size=16)
        for array in self.numbers():
            digest.update(str(array.shape).encode())
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
        return digest.digest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Numbers) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class Axis:
    """The centres (n) and cells (n, 2: low, high) along one axis, in degrees, in any order."""

    centres: np.ndarray
    cells: np.ndarray


@dataclass(frozen=True, eq=False)
class Grid(_Numbers):
    """A grid whose cells lie in rows of one latitude and columns of one longitude."""

    lat: Axis
    lon: Axis

    def numbers(self) -> tuple[np.ndarray, ...]:
        """Return centres and cells of both axes."""
        return self.lat.centres, self.lat.cells, self.lon.centres, self.lon.cells

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.lat.centres.size, self.lon.centres.size

    @property
    def size(self) -> int:
        """The number of cells."""
        return self.shape[0] * self.shape[1]

    def places(self) -> "Points":
        """Return the centres of all cells, row by row."""
        lat, lon = np.meshgrid(self.lat.centres, self.lon.centres, indexing="ij")
        return Points(lat.ravel(), lon.ravel())


@dataclass(frozen=True, eq=False)
class Points(_Numbers):
    """The centres of cells in any arrangement: a curvilinear grid, a mesh, stations."""

    lat: np.ndarray
    lon: np.ndarray

    def numbers(self) -> tuple[np.ndarray, ...]:
        """Return latitudes and longitudes."""
        return self.lat, self.lon

    @property
    def size(self) -> int:
        """The number of points."""
        return self.lat.size

    def vectors(self) -> np.ndarray:
        """Return the points on the unit sphere (n, 3); NaN where a coordinate is."""
        lat, lon = np.radians(self.lat), np.radians(self.lon)
        return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def check_size(shape: tuple[int, int], text: str) -> None:
    """Raise TooLarge for a target grid of more than MAX_CELLS cells."""
    if shape[0] * shape[1] > MAX_CELLS:
        raise TooLarge(
            f"grid {text!r} has {shape[0]} x {shape[1]} cells; at most {MAX_CELLS} are computed",
            locator="operation",
        )


def coordinates(grid: Grid, lat: str, lon: str) -> dict[str, xr.Variable]:
    """Return both axes under the given names as CF coordinates, with bounds."""
    return {
        **_coordinate(grid.lat, lat, "latitude", "degrees_north", "Y"),
        **_coordinate(grid.lon, lon, "longitude", "degrees_east", "X"),
    }


def _coordinate(
    axis: Axis, name: str, meaning: str, units: str, letter: str
) -> dict[str, xr.Variable]:
    attributes = {"standard_name": meaning, "long_name": meaning, "units": units, "axis": letter}
    bounds = f"{name}_bnds"
    return {
        name: xr.Variable(name, axis.centres, attributes, {"bounds": bounds}),
        bounds: xr.Variable((name, "bnds"), axis.cells),
    }
