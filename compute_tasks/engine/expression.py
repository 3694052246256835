"""What is to be computed from arrays in files: a tree of plain values; nothing of it is read yet.

A node has `shape` and `dtype`, and stands for an array with missing values as NaN. Where another
node may stand there may be an array in memory as well: reductions are replaced by their results
before what is made of them is computed. Nodes are immutable and can be pickled. What can be asked
of them is in `field`; `stream` reduces them and `mapping` computes them block by block.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from compute_tasks.engine.reduction import Reduction, Source

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """A selection of the arrays of files, one after the other along the first dimension."""

    source: Source

    @property
    def shape(self) -> Shape:
        """The number of elements along each dimension."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the decoded values."""
        return self.source.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Pointwise:
    """A function of each point of its operands, called on blocks of them.

    Operands have as many dimensions as the result; along those of length 1 they are spread. Arrays
    among them are in memory. The function gets arrays that it must not change and returns one of
    the shape they are spread to, in `dtype`.
    """

    function: Callable[..., np.ndarray]
    operands: tuple["Operand", ...]
    shape: Shape
    dtype: np.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """Places along the first dimension of another node, in any order and as often as wanted."""

    of: "Operand"
    places: np.ndarray

    @property
    def shape(self) -> Shape:
        """The number of elements along each dimension."""
        return (len(self.places), *self.of.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return self.of.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Mapwise:
    """A function of the last `inner` dimensions, called on blocks of whole ones, e.g. regridding.

    The function gets (n, *inner lengths of `of`) and returns (n, *inner lengths of `shape`).
    """

    function: Callable[[np.ndarray], np.ndarray]
    of: "Operand"
    inner: int
    shape: Shape
    dtype: np.dtype


@dataclass(frozen=True, slots=True, eq=False)
class Arranged:
    """Another node with its dimensions in another order, and with more or fewer of length 1.

    `order` has for each dimension the number of the one of `of` that it is, or None for a new one
    of length 1. The dimensions of `of` that it leaves out have length 1.
    """

    of: "Operand"
    order: tuple[int | None, ...]

    @property
    def shape(self) -> Shape:
        """The number of elements along each dimension."""
        return tuple(1 if axis is None else self.of.shape[axis] for axis in self.order)

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return self.of.dtype

    def before(self, box: tuple[slice, ...]) -> tuple[slice, ...]:
        """Return where in `of` the values of a box lie."""
        result = [slice(0, 1)] * len(self.of.shape)
        for axis, extent in zip(self.order, box, strict=True):
            if axis is not None:
                result[axis] = extent
        return tuple(result)

    def after(self, values: np.ndarray) -> np.ndarray:
        """Return values of `of` as they are arranged here."""
        kept = [axis for axis in self.order if axis is not None]
        gone = [axis for axis in range(values.ndim) if axis not in kept]
        arranged = values.transpose(*gone, *kept)[(0,) * len(gone)]
        return arranged[tuple(None if axis is None else slice(None) for axis in self.order)]


@dataclass(frozen=True, slots=True, eq=False)
class Reduced:
    """A statistic of another node over some of its dimensions; `text` says which in words."""

    of: "Operand"
    reduction: Reduction
    dtype: np.dtype
    text: str = ""

    @property
    def shape(self) -> Shape:
        """The number of elements along each dimension."""
        return self.reduction.cells(self.of.shape)


Node = Stored | Pointwise | Taken | Mapwise | Arranged | Reduced
Operand = Node | np.ndarray
