"""Which cells of a result the rows of a unit count for, and with what weight."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

from compute_tasks.engine import adding
from compute_tasks.engine.reduction import Reduction

Box = tuple[slice, ...]
Factor = tuple[tuple[int, ...], np.ndarray]

NONE = -(1 << 40)
"""A target that stays negative whatever is added to it."""


class UnitPlaces:
    """The places of the rows of one unit, which is a box of the input.

    `cells` is the shape of the unit's cells: rows of leading dimensions, and columns. The last
    dimension is `collapsed` to one column if it is reduced. An array of one dimension is taken for
    rows of one column.
    """

    def __init__(self, reduction: Reduction, box: Box) -> None:
        lengths = tuple(extent.stop - extent.start for extent in box)
        last = len(box) - 1
        self.columns = lengths[-1] if last else 1
        self.collapsed = bool(last) and last in reduction.axes and last != reduction.grouped
        self.open = reduction.cells(lengths[:-1]) if last else reduction.cells(lengths)
        self.cells = math.prod(self.open), 1 if self.collapsed else self.columns
        self.column_labels, self.groups = None, reduction.groups
        if last and last == reduction.grouped and reduction.labels is not None:
            self.column_labels = np.asarray(reduction.labels[box[last]])
        self.has_columns = bool(last) and not self.collapsed and self.column_labels is None
        self._shape = self.open if self.collapsed or not last else (*self.open, self.columns)
        leading = list(range(max(1, last)))
        targets = _targets(reduction, box, leading)
        self.step_targets, self.targets = targets[0], _combined(np.add, targets[1:], 0)
        self.order = np.argsort(self.targets, kind="stable")
        self.by_step = reduction.kept(0)
        self._weigh(reduction, box, leading)

    def _weigh(self, reduction: Reduction, box: Box, leading: Sequence[int]) -> None:
        inner = tuple(leading[1:])
        factors = list(reduction.factors())
        steps = [factor for factor in factors if factor[0] == (0,)]
        rows = [factor for factor in factors if set(factor[0]) <= set(inner)]
        rest = [factor for factor in factors if set(factor[0]) - set(inner) and factor[0] != (0,)]
        even = [factor for factor in rest if _is_even(factor, len(box) - 1)]
        rest = [factor for factor in rest if not _is_even(factor, len(box) - 1)]
        self.step_weights = _product(steps, (0,), box)
        self.weights = _product(rows, inner, box).reshape(-1)
        for _, array in even:
            self.weights *= array[0]
        axes = sorted({axis for own, _ in rest for axis in own} & set(leading))
        lines = _lines(axes, box, leading)
        self.step_lines, self.lines = lines[0], _combined(np.add, lines[1:], 0)
        self.matrix = np.empty((0, self.columns))
        if rest:
            self.matrix = _product(rest, (*axes, len(box) - 1), box).reshape(-1, self.columns)

    def of(
        self, steps: slice | np.ndarray, step_starts: np.ndarray, starts: np.ndarray
    ) -> adding.Places:
        """Return the places of a block that holds these steps of the unit."""
        return adding.Places(
            step_starts,
            self.step_targets[steps],
            self.step_weights[steps],
            self.step_lines[steps],
            starts,
            self.targets,
            self.weights,
            self.lines,
            self.order,
            self.matrix,
            self.by_step,
            self.columns,
        )

    def shaped(self, array: np.ndarray) -> np.ndarray:
        """Return an array of cells with their shape in the unit."""
        return array.reshape(self._shape)

    def joined(self, array: np.ndarray, function: np.ufunc, nothing: float) -> np.ndarray:
        """Return an array of cells with their shape, after joining columns of the same group."""
        cells = self.shaped(array)
        if self.column_labels is None:
            return cells
        groups = np.full((*self.open, self.groups), nothing)
        for group in np.unique(self.column_labels[self.column_labels >= 0]):
            groups[..., group] = function.reduce(cells[..., self.column_labels == group], axis=-1)
        return groups


def _is_even(factor: Factor, axis: int) -> bool:
    """Tell whether weights are those of one dimension, and all the same: rows are quicker then."""
    own, array = factor
    return own == (axis,) and bool((array == array[0]).all())


def _targets(reduction: Reduction, box: Box, axes: Sequence[int]) -> list[np.ndarray]:
    """Return what each place along each dimension adds to the number of the row of cells."""
    found, stride = [], 1
    for axis in reversed(axes):
        length = box[axis].stop - box[axis].start
        along = np.zeros(length, "int64")
        if axis == reduction.grouped and reduction.labels is not None:
            labels = np.asarray(reduction.labels[box[axis]], "int64")
            along = np.where(labels < 0, NONE, labels * stride)
            stride *= reduction.groups
        elif axis not in reduction.axes:
            along, stride = np.arange(length) * stride, stride * length
        found.append(along)
    return found[::-1]


def _lines(axes: Sequence[int], box: Box, leading: Iterable[int]) -> list[np.ndarray]:
    """Return what each place along each leading dimension adds to the number of the line."""
    lengths = {axis: box[axis].stop - box[axis].start for axis in leading}
    strides = {axis: math.prod(lengths[a] for a in axes if a > axis) for axis in axes}
    return [np.arange(length) * strides.get(axis, 0) for axis, length in lengths.items()]


def _combined(function: np.ufunc, arrays: Sequence[np.ndarray], start: int) -> np.ndarray:
    """Return the function of all combinations of elements, the last array's changing fastest."""
    result = np.array([start])
    for array in arrays:
        result = function.outer(result, array).reshape(-1)
    return result


def _product(factors: Iterable[Factor], axes: Sequence[int], box: Box) -> np.ndarray:
    """Return the product of factors within the box, spread to some dimensions."""
    result = np.ones([box[axis].stop - box[axis].start for axis in axes])
    for own, array in factors:
        part = array[tuple(box[axis] for axis in own)]
        result *= part.reshape([part.shape[own.index(axis)] if axis in own else 1 for axis in axes])
    return result
