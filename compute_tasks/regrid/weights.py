"""The weights that take values from one grid to another, and applying them to arrays."""

from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Protocol

import numpy as np

from compute_tasks.errors import InvalidInput
from compute_tasks.regrid import rectilinear
from compute_tasks.regrid.grids import Grid, Points
from compute_tasks.regrid.sparse import Sparse

BY_AXIS = {
    "conservative": rectilinear.conservative,
    "linear": rectilinear.linear,
    "nearest": rectilinear.nearest,
}
BY_POINT = ("linear", "nearest")
REAL = np.dtype(np.float64)
LEAST = {"conservative": 1e-3, "linear": 0.5, "nearest": 0.5}
"""The weight valid values must have together for a target cell to get a value, by method."""
KEPT = 4
"""Pairs of grids whose weights are kept."""


class Weights(Protocol):
    """What takes values from one grid to another."""

    def apply(self, values: np.ndarray, dtype: np.dtype = REAL) -> np.ndarray:
        """Return values (steps, source cells) on the target (steps, target cells).

        Missing values (NaN) are left out and the weights of the others scaled up; a target cell
        whose valid values weigh less than `LEAST` of the method is missing. Sums are in double
        precision, whatever the dtype of the result.
        """


@dataclass(frozen=True, eq=False, slots=True)
class AxisWeights:
    """Weights along both axes, (target, source) each, which multiply.

    `columns` and `shares` are those of the longitudes as `_evenly` gives them.
    """

    lat: Sparse
    lon: Sparse
    columns: np.ndarray
    shares: np.ndarray
    least: float

    def apply(self, values: np.ndarray, dtype: np.dtype = REAL) -> np.ndarray:
        """Return values on the target, see `Weights`."""
        out = np.empty((len(values), self.lat.shape[0], self.lon.shape[0]), _compiled(dtype))
        _kernels().by_axes(
            _floats(values).reshape(-1, self.lat.shape[1], self.lon.shape[1]),
            self.lat.starts,
            self.lat.columns,
            self.lat.values,
            self.columns,
            self.shares,
            self.least,
            out,
        )
        return out.reshape(len(values), -1).astype(dtype, copy=False)


@dataclass(frozen=True, eq=False, slots=True)
class PointWeights:
    """A matrix of weights (target cells, source cells)."""

    matrix: Sparse
    least: float

    def apply(self, values: np.ndarray, dtype: np.dtype = REAL) -> np.ndarray:
        """Return values on the target, see `Weights`."""
        matrix = self.matrix
        out = np.empty((len(values), matrix.shape[0]), _compiled(dtype))
        _kernels().by_points(
            _floats(values), matrix.starts, matrix.columns, matrix.values, self.least, out
        )
        return out.astype(dtype, copy=False)


def _kernels() -> ModuleType:
    # Loading the compiler takes longer than all else here; only computing is to wait for it.
    from compute_tasks.regrid import kernels  # noqa: PLC0415

    return kernels


def _floats(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, _compiled(values.dtype))


def _compiled(dtype: np.dtype) -> np.dtype:
    """Return the type the compiled loops take for values of another one."""
    return np.dtype(np.float32) if dtype == np.float32 else REAL


def _evenly(matrix: Sparse) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and values (n, rows) with as many for each row as the longest has.

    The others get a column beyond the last, and zeros.
    """
    counts = np.diff(matrix.starts)
    rows = np.repeat(np.arange(matrix.shape[0]), counts)
    places = np.arange(matrix.values.size) - matrix.starts[rows]
    shape = (max(1, counts.max(initial=0)), matrix.shape[0])
    columns, values = np.full(shape, matrix.shape[1], np.uint32), np.zeros(shape)
    columns[places, rows], values[places, rows] = matrix.columns, matrix.values
    return columns, values


@lru_cache(maxsize=KEPT)
def weights(source: Grid | Points, target: Grid, method: str) -> Weights:
    """Return the weights from one grid to another by `conservative`, `linear` or `nearest`.

    Raises InvalidInput for a method the source does not allow, TooLarge for too many points.
    """
    if isinstance(source, Grid):
        return _of_axes(source, target, method)
    if method not in BY_POINT:
        raise InvalidInput(
            f"{method} regridding needs an input with rows of one latitude and columns of one "
            f"longitude; this one is curvilinear or unstructured, use {' or '.join(BY_POINT)}",
            locator="operation",
        )
    return PointWeights(_of_points(source, target, method), LEAST[method])


def _of_axes(source: Grid, target: Grid, method: str) -> AxisWeights:
    along = BY_AXIS[method]
    lat = along(source.lat, target.lat, circular=False)
    lon = along(source.lon, target.lon, circular=True)
    return AxisWeights(lat, lon, *_evenly(lon), LEAST[method])


def _of_points(source: Points, target: Grid, method: str) -> Sparse:
    # It loads scipy, which grids of rows and columns do without.
    from compute_tasks.regrid import scattered  # noqa: PLC0415

    found: Sparse = getattr(scattered, method)(source, target)
    return found
