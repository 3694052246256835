"""From a block of stored values to rows to be added: decoded, with targets and weights."""

from dataclasses import dataclass

import numpy as np

from compute_tasks.engine.reduction import MISSING_VALUES, Reduction, Source

Box = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Places:
    """What the rows of a block count for, whatever their values (see `accumulators.Rows`)."""

    order: np.ndarray
    targets: np.ndarray
    row_weights: np.ndarray | None
    weights: np.ndarray | None


@dataclass(frozen=True, slots=True)
class Block:
    """A block as accumulators take it (`accumulators.Rows`)."""

    values: np.ndarray
    missing: np.ndarray
    order: np.ndarray
    targets: np.ndarray
    row_weights: np.ndarray | None
    weights: np.ndarray | None


class RowMaker:
    """Makes rows of the blocks of one unit, which lies in `box` of the whole input.

    No block is longer than `longest` steps along the first dimension.
    """

    def __init__(self, source: Source, reduction: Reduction, box: Box, longest: int) -> None:
        self.source, self.reduction, self.box = source, reduction, box
        self.columns = box[-1].stop - box[-1].start if len(box) > 1 else 1
        first = box[0].start
        # Most often all steps count for the same, and the places are those of the longest block.
        self.common = self._places(first, longest) if reduction.ignores_first else None

    def rows(self, first: int, stored: np.ndarray) -> Block:
        """Return the block that begins at the place `first` of the whole input."""
        values, missing = _decoded(self.source, stored)
        rows = values.reshape(-1, self.columns)
        places = self.common
        if places is None or len(places.targets) != len(rows):
            places = self._places(first, len(stored))
        return Block(
            rows, missing, places.order, places.targets, places.row_weights, places.weights
        )

    def _places(self, first: int, steps: int) -> Places:
        block = (slice(first, first + steps), *self.box[1:])
        leading = block[:-1] if len(block) > 1 else block
        targets = _targets(self.reduction, leading, self.box[0])
        order = np.argsort(targets, kind="stable")
        if not self.reduction.weights:
            return Places(order, targets, None, None)
        weights = np.ones(self.columns)
        last = len(block) - 1
        if last and last in self.reduction.weights:
            weights *= self.reduction.weights[last][block[-1]]
        return Places(order, targets, _row_weights(self.reduction, leading), weights)


def _targets(reduction: Reduction, box: tuple[slice, ...], whole: slice) -> np.ndarray:
    """Return the row of cells for each row of a block; `whole` is the unit's first dimension."""
    targets, stride = np.zeros((1,) * len(box), "int64"), 1
    skipped = np.zeros((1,) * len(box), bool)
    for axis in reversed(range(len(box))):
        shape = [-1 if other == axis else 1 for other in range(len(box))]
        extent = box[axis]
        if axis == reduction.grouped and reduction.labels is not None:
            labels = reduction.labels[extent].astype("int64").reshape(shape)
            targets, skipped = targets + labels * stride, skipped | (labels < 0)
            stride *= reduction.groups
        elif axis not in reduction.axes:
            start = whole.start if axis == 0 else extent.start
            end = whole.stop if axis == 0 else extent.stop
            targets = (
                targets + (np.arange(extent.start, extent.stop) - start).reshape(shape) * stride
            )
            stride *= end - start
    lengths = [extent.stop - extent.start for extent in box]
    return np.broadcast_to(np.where(skipped, -1, targets), lengths).reshape(-1)


def _row_weights(reduction: Reduction, box: tuple[slice, ...]) -> np.ndarray:
    """Return the product of the weights of all dimensions but the last, for each row of a block."""
    result = np.ones([extent.stop - extent.start for extent in box])
    for axis, extent in enumerate(box):
        if axis in reduction.weights:
            shape = [-1 if other == axis else 1 for other in range(len(box))]
            result = result * reduction.weights[axis][extent].reshape(shape)
    return result.reshape(-1)


def _decoded(source: Source, stored: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the values, and the values among them that stand for missing ones."""
    none = np.full(MISSING_VALUES, np.nan, source.dtype)
    if stored.dtype == source.dtype and source.scale is None and source.offset is None:
        none[: len(source.missing)] = source.missing
        return stored, none
    values = stored.astype(source.dtype)
    if source.scale is not None:
        values *= source.scale
    if source.offset is not None:
        values += source.offset
    for missing in source.missing:
        values[stored == missing] = np.nan
    return values, none
