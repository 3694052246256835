"""Running results of a reduction: blocks are added to them, and one is merged into another.

Each has arrays of cells, the last dimension of which is the last of the data. Missing values are
NaN or one of two given values. Sums are kept in float64, extremes in the type of the data.
"""

from typing import Any, Protocol

import numpy as np

from compute_tasks.engine import kernels

Region = tuple[slice, ...]


class Rows(Protocol):
    """A block as rows along its last dimension, and what they count for.

    `targets` says which row of cells each belongs to, -1 none; taken in `order`, rows of the same
    cells follow on each other, so that these stay in the cache. The weights of rows and of places
    in a row multiply; there are both or none.
    """

    values: np.ndarray
    order: np.ndarray
    targets: np.ndarray
    row_weights: np.ndarray | None
    weights: np.ndarray | None
    missing: np.ndarray


class Sums:
    """Weighted totals and total weights, for sum, mean and count."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.total, self.weight = np.zeros(shape), np.zeros(shape)

    def add(self, rows: Rows) -> None:
        """Add a block; the cells must be rows (two dimensions)."""
        data, cells = (
            (rows.values, rows.order, rows.targets),
            (rows.missing, self.total, self.weight),
        )
        if rows.weights is None:
            kernels.add_sums(*data, *cells)
        else:
            kernels.add_weighted(*data, rows.row_weights, rows.weights, *cells)

    def shaped(self, shape: tuple[int, ...]) -> None:
        """Give the cells another shape."""
        self.total, self.weight = self.total.reshape(shape), self.weight.reshape(shape)

    def collapse(self) -> None:
        """Reduce the last dimension."""
        self.total, self.weight = self.total.sum(-1), self.weight.sum(-1)

    def merge(self, region: Region, part: "Sums") -> None:
        """Put the cells of another into a region of these."""
        self.total[region] += part.total
        self.weight[region] += part.weight

    def finish(self, statistic: str) -> np.ndarray:
        """Return the sum (0 of nothing), the mean (NaN of nothing) or the count."""
        if statistic == "mean":
            with np.errstate(invalid="ignore", divide="ignore"):
                mean: np.ndarray = self.total / self.weight
            return mean
        return self.total if statistic == "sum" else self.weight.astype("int64")


class Extremes:
    """The lowest or the highest values; NaN where there were none."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype, *, lowest: bool) -> None:
        self.best, self.lowest = np.full(shape, np.nan, dtype), lowest
        self.better = np.fmin if lowest else np.fmax

    def add(self, rows: Rows) -> None:
        """Add a block; the cells must be rows (two dimensions)."""
        kernels.add_extremes(
            rows.values, rows.order, rows.targets, rows.missing, self.lowest, self.best
        )

    def shaped(self, shape: tuple[int, ...]) -> None:
        """Give the cells another shape."""
        self.best = self.best.reshape(shape)

    def collapse(self) -> None:
        """Reduce the last dimension."""
        self.best = self.better.reduce(self.best, axis=-1)

    def merge(self, region: Region, part: "Extremes") -> None:
        """Put the cells of another into a region of these."""
        self.best[region] = self.better(self.best[region], part.best)

    def finish(self, statistic: str) -> np.ndarray:
        """Return the extremes."""
        return self.best


class Moments:
    """Counts, means and squared distances from the mean, for variance and standard deviation.

    While blocks are added the distances are from a value near the mean, which keeps the squares
    accurate; `shaped` turns them into those from the mean.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.count, self.mean = np.zeros(shape), np.zeros(shape)
        self.first, self.squares = np.zeros(shape), np.zeros(shape)
        self.started = False

    def add(self, rows: Rows) -> None:
        """Add a block; the cells must be rows (two dimensions)."""
        if not self.started:
            self._start(rows)
        kernels.add_moments(
            rows.values,
            rows.order,
            rows.targets,
            rows.missing,
            self.count,
            self.mean,
            self.first,
            self.squares,
        )

    def _start(self, rows: Rows) -> None:
        """Measure from values of the first block: the cell's own, or one like it."""
        there = np.isfinite(rows.values) & ~np.isin(rows.values, rows.missing)
        if there.any():
            own, used = there & (rows.targets >= 0)[:, np.newaxis], rows.values[there].mean()
            self.mean[...] = used
            places = np.nonzero(own)
            self.mean[rows.targets[places[0]], places[1]] = rows.values[places]
            self.started = True

    def shaped(self, shape: tuple[int, ...]) -> None:
        """Give the cells another shape, after the last block."""
        distance = self.first / np.maximum(self.count, 1)
        self.squares = np.maximum(self.squares - self.first * distance, 0).reshape(shape)
        self.mean = (self.mean + distance).reshape(shape)
        self.count = self.count.reshape(shape)
        self.first = np.empty(0)

    def collapse(self) -> None:
        """Reduce the last dimension."""
        count = self.count.sum(-1)
        mean = (self.count * self.mean).sum(-1) / np.maximum(count, 1)
        apart = self.mean - mean[..., np.newaxis]
        self.squares = (self.squares + self.count * apart**2).sum(-1)
        self.count, self.mean = count, mean

    def merge(self, region: Region, part: "Moments") -> None:
        """Put the cells of another into a region of these."""
        count = self.count[region] + part.count
        share = part.count / np.maximum(count, 1)
        apart = part.mean - self.mean[region]
        self.squares[region] += part.squares + apart**2 * self.count[region] * share
        self.mean[region] += apart * share
        self.count[region] = count

    def finish(self, statistic: str) -> np.ndarray:
        """Return the variance or standard deviation of the population; NaN of nothing."""
        with np.errstate(invalid="ignore", divide="ignore"):
            variance: np.ndarray = self.squares / self.count
        return np.sqrt(variance) if statistic == "std" else variance


Accumulator = Any
"""One of the classes here; all have add, shaped, collapse, merge and finish."""


def accumulator(statistic: str, shape: tuple[int, ...], dtype: np.dtype) -> Accumulator:
    """Return empty cells for a statistic; KeyError if there is none of that name."""
    if statistic in ("min", "max"):
        return Extremes(shape, dtype, lowest=statistic == "min")
    return {"sum": Sums, "mean": Sums, "count": Sums, "var": Moments, "std": Moments}[statistic](
        shape, dtype
    )
