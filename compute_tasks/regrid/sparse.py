"""Matrices most of whose numbers are zero, by rows."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False, slots=True)
class Sparse:
    """A matrix: row r has `values[starts[r]:starts[r + 1]]` at those `columns`, in their order."""

    shape: tuple[int, int]
    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray


def sparse(
    values: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    shape: tuple[int, int],
    least: float = 0.0,
) -> Sparse:
    """Return the matrix with these values at these places; those of one place are added.

    Sums that are zero or below `least` are left out.
    """
    places = rows.astype(np.int64) * shape[1] + columns
    there, inverse = np.unique(places, return_inverse=True)
    totals = np.bincount(inverse, values, there.size)
    kept = (totals != 0) & (totals >= least)
    there, totals = there[kept], totals[kept]
    starts = np.searchsorted(there, np.arange(shape[0] + 1, dtype=np.int64) * shape[1])
    return Sparse(shape, starts, there % max(shape[1], 1), totals)
