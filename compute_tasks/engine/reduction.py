"""What is to be reduced, and how: plain values, checked but not computed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from compute_tasks.engine.blocks import Piece

MISSING_VALUES = 2
STATISTICS = ("sum", "mean", "count", "min", "max", "var", "std")


@dataclass(frozen=True, slots=True)
class Source:
    """An array in files: pieces one after the other along the first dimension, and their decoding.

    `missing` are up to two stored values that stand for none, besides NaN. The values mean
    `stored * scale + offset`, computed in `dtype` (float32 or float64).
    """

    pieces: tuple[Piece, ...]
    dtype: np.dtype
    missing: tuple[float, ...] = ()
    scale: float | None = None
    offset: float | None = None

    def __post_init__(self) -> None:
        if len(self.missing) > MISSING_VALUES:
            raise ValueError(f"{len(self.missing)} values for missing; at most {MISSING_VALUES}")

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the whole array."""
        first = sum(piece.shape[0] for piece in self.pieces)
        return (first, *self.pieces[0].shape[1:])


@dataclass(frozen=True, slots=True)
class Reduction:
    """One statistic over some dimensions, by number; missing values are left out.

    `weights` (sum and mean only) has one array for each weighted dimension, which multiply. With
    `labels`, the dimension `grouped` is not reduced to one but to `groups` cells: each place has
    the number of its group, or -1 for none. var and std are those of the population.
    """

    statistic: str
    axes: frozenset[int]
    weights: Mapping[int, np.ndarray] = field(default_factory=dict)
    grouped: int | None = None
    labels: np.ndarray | None = None
    groups: int = 0

    def check(self, dimensions: int) -> None:
        """Raise ValueError for what cannot be streamed over an array of that many dimensions."""
        if self.statistic not in STATISTICS:
            raise ValueError(f"{self.statistic!r} is not one of {', '.join(STATISTICS)}")
        if self.weights and self.statistic not in ("sum", "mean"):
            raise ValueError(f"{self.statistic} has no weights")
        if dimensions == 0 or (dimensions > 1 and self.grouped == dimensions - 1):
            raise ValueError("no dimension, or groups along the last one")

    def cells(self, lengths: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape of the result for data of these lengths."""
        return tuple(
            self.groups if axis == self.grouped else length
            for axis, length in enumerate(lengths)
            if axis == self.grouped or axis not in self.axes
        )

    def region(self, box: tuple[slice, ...]) -> tuple[slice, ...]:
        """Return where in the result the data in a box of the input go."""
        return tuple(
            slice(None) if axis == self.grouped else extent
            for axis, extent in enumerate(box)
            if axis == self.grouped or axis not in self.axes
        )

    @property
    def ignores_first(self) -> bool:
        """Whether all places along the first dimension count for the same cells, alike."""
        return 0 in self.axes and self.grouped != 0 and 0 not in self.weights

    @property
    def keeps_first(self) -> bool:
        """Whether the first dimension is one of the result, ungrouped."""
        return 0 not in self.axes and self.grouped != 0
