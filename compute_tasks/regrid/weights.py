"""The weights that take values from one grid to another, and applying them to arrays."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array, kron

from compute_tasks.errors import InvalidInput, TooLarge
from compute_tasks.regrid import rectilinear, scattered
from compute_tasks.regrid.grids import Grid, Points

BY_AXIS = {
    "conservative": rectilinear.conservative,
    "linear": rectilinear.linear,
    "nearest": rectilinear.nearest,
}
BY_POINT = {"linear": scattered.linear, "nearest": scattered.nearest}
LEAST = {"conservative": 1e-3, "linear": 0.5, "nearest": 0.5}
"""The weight valid values must have together for a target cell to get a value, by method."""
MAX_WEIGHTS = 2**24
"""Weights kept for one pair of grids: 200 MB."""
KEPT = 4
"""Pairs of grids whose weights are kept."""


@dataclass(frozen=True, eq=False, slots=True)
class Weights:
    """A matrix (target cells, source cells) and the weight a target cell needs for a value."""

    matrix: csr_array
    least: float

    def apply(self, values: np.ndarray) -> np.ndarray:
        """Return values (steps, source cells) on the target (steps, target cells), as float64.

        Missing values (NaN) are left out and the weights of the others scaled up; a target cell
        whose valid values weigh less than `least` is missing.
        """
        missing = np.isnan(values)
        filled = np.where(missing, 0.0, values).astype(np.float64, copy=False)
        # Land and sea stay where they are: mostly one step tells for all.
        alike = len(missing) > 0 and bool((missing == missing[0]).all())
        valid = ~missing[:1] if alike else ~missing
        totals = self.matrix @ valid.T.astype(np.float64)
        result = self.matrix @ filled.T
        result *= np.divide(
            1.0, totals, out=np.full(totals.shape, np.nan), where=totals >= self.least
        )
        return result.T


@lru_cache(maxsize=KEPT)
def weights(source: Grid | Points, target: Grid, method: str) -> Weights:
    """Return the weights from one grid to another by `conservative`, `linear` or `nearest`.

    Raises InvalidInput for a method the source does not allow, TooLarge above MAX_WEIGHTS.
    """
    if isinstance(source, Grid):
        return Weights(_of_axes(source, target, method), LEAST[method])
    if method not in BY_POINT:
        raise InvalidInput(
            f"{method} regridding needs an input with rows of one latitude and columns of one "
            f"longitude; this one is curvilinear or unstructured, use {' or '.join(BY_POINT)}",
            locator="operation",
        )
    return Weights(BY_POINT[method](source, target), LEAST[method])


def _of_axes(source: Grid, target: Grid, method: str) -> csr_array:
    along = BY_AXIS[method]
    lat = along(source.lat, target.lat, circular=False)
    lon = along(source.lon, target.lon, circular=True)
    if lat.nnz * lon.nnz > MAX_WEIGHTS:
        raise TooLarge(
            f"regridding {source.shape[0]} x {source.shape[1]} to {target.shape[0]} x "
            f"{target.shape[1]} cells takes {lat.nnz * lon.nnz} weights; at most {MAX_WEIGHTS}, "
            "use a coarser grid or a region",
            locator="operation",
        )
    return csr_array(kron(lat, lon, format="csr"))
