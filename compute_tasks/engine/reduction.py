"""What is to be reduced, and how: plain values, checked but not computed."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from compute_tasks.engine.blocks import Piece

STATISTICS = ("sum", "mean", "count", "min", "max", "var", "std")


@dataclass(frozen=True, slots=True)
class Source:
    """An array in files: the pieces it is made of, each of its places in one, and their decoding.

    `missing` are stored values that stand for none, besides NaN. The values are of type `dtype`:
    the stored ones, or floats that mean `stored * scale + offset`. As with numpy, a Python number
    is rounded to `dtype` before it is used and one of numpy is not; each result is rounded to it.
    """

    pieces: tuple[Piece, ...]
    dtype: np.dtype
    missing: tuple[float, ...] = ()
    scale: float | None = None
    offset: float | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        return tuple(map(max, zip(*(piece.end for piece in self.pieces), strict=True)))


WHOLE = slice(None)


@dataclass(frozen=True, slots=True)
class Reduction:
    """One statistic over some dimensions, by number; missing values are left out.

    `weights` (sum and mean only) are arrays that multiply, each for one dimension, or for several
    in ascending order. With `labels`, the dimension `grouped` is not reduced to one but to `groups`
    cells: each place has the number of its group, or -1 for none. Sums of fewer than `min_count`
    values are NaN, and weighted ones of no weight if it is 1. var and std are those of the
    population.
    """

    statistic: str
    axes: frozenset[int]
    weights: Mapping[int | tuple[int, ...], np.ndarray] = field(default_factory=dict)
    grouped: int | None = None
    labels: np.ndarray | None = None
    groups: int = 0
    min_count: int = 0

    def check(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        """Raise ValueError for what cannot be streamed over an array of this shape and type."""
        if self.statistic not in STATISTICS:
            raise ValueError(f"{self.statistic!r} is not one of {', '.join(STATISTICS)}")
        if self.weights and (self.statistic not in ("sum", "mean") or self.min_count > 1):
            raise ValueError(f"{self.statistic} of at least {self.min_count} has no weights")
        if not shape:
            raise ValueError("a single number has no dimension to reduce")
        if dtype.kind not in "iuf" or (dtype.kind != "f" and dtype.itemsize == 8):
            raise ValueError(f"{dtype} has numbers that a float64 does not hold")
        for axes, array in self.factors():
            lengths = tuple(shape[axis] for axis in axes)
            if array.shape != lengths:
                raise ValueError(f"weights of shape {array.shape} for dimensions of {lengths}")

    def factors(self) -> Iterator[tuple[tuple[int, ...], np.ndarray]]:
        """Yield the weights with the dimensions they are for."""
        for key, array in self.weights.items():
            yield (key if isinstance(key, tuple) else (key,)), np.asarray(array, np.float64)

    def weighs(self, axis: int) -> bool:
        """Tell whether there are weights along this dimension."""
        return axis in itertools.chain.from_iterable(axes for axes, _ in self.factors())

    def cells(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the result for data of these lengths."""
        return tuple(
            self.groups if axis == self.grouped else length
            for axis, length in enumerate(lengths)
            if axis == self.grouped or axis not in self.axes
        )

    def span(self, places: tuple[slice | np.ndarray, ...]) -> slice:
        """Return the run of groups that these places of the input lie in, at least one."""
        if self.grouped is None or self.labels is None:
            return slice(0, self.groups)
        labels = np.asarray(self.labels[places[self.grouped]])
        found = labels[labels >= 0]
        return slice(int(found.min()), int(found.max()) + 1) if found.size else slice(0, 1)

    def within(self, span: slice) -> "Reduction":
        """Return the same for a run of groups alone, which are counted from its first."""
        if self.labels is None:
            return self
        labels = np.asarray(self.labels, np.int64)
        inside = (labels >= span.start) & (labels < span.stop)
        moved = np.where(inside, labels - span.start, -1)
        return replace(self, labels=moved, groups=span.stop - span.start)

    def region(self, box: tuple[slice, ...], span: slice = WHOLE) -> tuple[slice, ...]:
        """Return where in the result the data in a box of the input go, if in a run of groups."""
        return tuple(
            span if axis == self.grouped else extent
            for axis, extent in enumerate(box)
            if axis == self.grouped or axis not in self.axes
        )

    @property
    def arrays(self) -> int:
        """How many numbers are kept for each cell until the end."""
        return {"min": 1, "max": 1, "var": 4, "std": 4}.get(self.statistic, 2)

    def kept(self, axis: int) -> bool:
        """Tell whether a dimension is one of the result, ungrouped."""
        return axis not in self.axes and axis != self.grouped
