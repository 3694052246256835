"""Running results of a reduction: blocks are added to them, and one is merged into another.

While blocks are added, cells are rows and columns, the columns those of the data or one for all.
Sums and extremes are kept in float64, which holds every number of the types that stream.
"""

from typing import Any

import numpy as np

from compute_tasks.engine import adding
from compute_tasks.engine.loading import Loaded
from compute_tasks.engine.places import UnitPlaces
from compute_tasks.engine.reduction import Reduction
from compute_tasks.engine.weights import Region, Shape, Weights


class Sums:
    """Weighted totals and total weights, for sum, mean and count."""

    def __init__(self, shape: Shape, statistic: str, *, merged: bool) -> None:
        self.total, self.weights = np.zeros(shape), Weights(shape)

    def add(self, block: Loaded, places: adding.Places) -> None:
        """Add a block; the cells must be rows and columns."""
        weights = self.weights
        adding.add_sums(block.data, block.form, places, self.total, weights.apart, weights.rows)

    def close(self, places: UnitPlaces) -> None:
        """Give the cells their shape after the last block, and join columns of the same group."""
        self.total = places.joined(self.total, np.add, 0.0)
        self.weights.close(places)
        self.weights.join(places)

    def merge(self, region: Region, part: "Sums") -> None:
        """Put the cells of another into a region of these."""
        self.total[region] += part.total
        self.weights.merge(region, part.weights)

    def finish(self, reduction: Reduction, dtype: np.dtype) -> np.ndarray:
        """Return the sum, the mean (NaN of nothing) or the count."""
        weight = self.weights.sum()
        if reduction.statistic == "count":
            return np.broadcast_to(weight, self.total.shape).astype("int64")
        if reduction.statistic == "mean":
            with np.errstate(invalid="ignore", divide="ignore"):
                # Nothing is added any more, so that the totals need not be kept beside the means.
                return np.divide(self.total, weight, out=self.total)
        if reduction.min_count:
            least = weight > 0 if reduction.weights else weight >= reduction.min_count
            return np.where(least, self.total, np.nan)
        return self.total

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays that merging changes, in place."""
        return [self.total, *self.weights.arrays]


class Extremes:
    """The lowest or the highest values; NaN where there were none."""

    def __init__(self, shape: Shape, statistic: str, *, merged: bool) -> None:
        self.best, self.lowest = np.full(shape, np.nan), statistic == "min"
        self.better = np.fmin if self.lowest else np.fmax

    def add(self, block: Loaded, places: adding.Places) -> None:
        """Add a block; the cells must be rows and columns."""
        adding.add_extremes(block.data, block.form, places, self.lowest, self.best)

    def close(self, places: UnitPlaces) -> None:
        """Give the cells their shape after the last block, and join columns of the same group."""
        self.best = places.joined(self.best, self.better, np.nan)

    def merge(self, region: Region, part: "Extremes") -> None:
        """Put the cells of another into a region of these."""
        self.best[region] = self.better(self.best[region], part.best)

    def finish(self, reduction: Reduction, dtype: np.dtype) -> np.ndarray:
        """Return the extremes in this type; whole numbers as floats if some cells have none."""
        if dtype.kind != "f" and np.isnan(self.best).any():
            return self.best
        return self.best.astype(dtype)

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays that merging changes, in place."""
        return [self.best]


class Moments:
    """Counts, means and squared distances from the mean, for variance and standard deviation.

    While blocks are added the distances are from the first value of a cell, which keeps the squares
    accurate; `close` turns them into those from the mean.
    """

    def __init__(self, shape: Shape, statistic: str, *, merged: bool) -> None:
        self.weights, self.mean = Weights(shape), np.full(shape, 0.0 if merged else np.nan)
        self.first, self.squares = np.zeros(shape), np.zeros(shape)
        self.open = np.ones(shape[:1], bool)

    def add(self, block: Loaded, places: adding.Places) -> None:
        """Add a block; the cells must be rows and columns."""
        adding.add_moments(
            block.data,
            block.form,
            places,
            self.mean,
            self.first,
            self.squares,
            self.weights.apart,
            self.weights.rows,
            self.open,
        )

    def close(self, places: UnitPlaces) -> None:
        """Give the cells their shape after the last block, and join columns of the same group."""
        self.weights.close(places)
        count = self.weights.sum()
        mean, first, squares = map(places.shaped, (self.mean, self.first, self.squares))
        distance = first / np.maximum(count, 1)
        squares -= first * distance
        np.maximum(squares, 0, out=squares)
        # Cells without a value have no shift.
        self.mean = mean = np.where(np.isnan(mean), 0, mean) + distance
        self.squares = squares
        del self.first
        if places.column_labels is not None:
            self.weights.join(places)
            total = places.joined(count * mean, np.add, 0.0)
            self.mean = total / np.maximum(self.weights.sum(), 1)
            apart = mean - self.mean[..., places.column_labels]
            self.squares = places.joined(squares + count * apart**2, np.add, 0.0)

    def merge(self, region: Region, part: "Moments") -> None:
        """Put the cells of another into a region of these."""
        before, more = self.weights.sum(region), part.weights.sum()
        share = more / np.maximum(before + more, 1)
        apart = part.mean - self.mean[region]
        self.mean[region] += apart * share
        apart *= apart
        apart *= before * share
        apart += part.squares
        self.squares[region] += apart
        self.weights.merge(region, part.weights)

    def finish(self, reduction: Reduction, dtype: np.dtype) -> np.ndarray:
        """Return the variance or standard deviation of the population; NaN of nothing."""
        with np.errstate(invalid="ignore", divide="ignore"):
            variance: np.ndarray = self.squares / self.weights.sum()
        return np.sqrt(variance) if reduction.statistic == "std" else variance

    @property
    def arrays(self) -> list[np.ndarray]:
        """The arrays that merging changes, in place."""
        return [self.mean, self.squares, *self.weights.arrays]


Accumulator = Any
"""One of the classes here; all have add, close, merge and finish."""
CLASSES: dict[str, Any] = {
    "sum": Sums,
    "mean": Sums,
    "count": Sums,
    "min": Extremes,
    "max": Extremes,
    "var": Moments,
    "std": Moments,
}


def accumulator(statistic: str, shape: Shape, *, merged: bool = False) -> Accumulator:
    """Return empty cells for a statistic, for blocks to be added or for others to be merged."""
    return CLASSES[statistic](shape, statistic, merged=merged)
