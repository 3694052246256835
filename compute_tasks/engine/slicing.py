"""Selecting from nodes: pushed down to the files, so that nothing else of them is read."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.expression import (
    Arranged,
    Mapwise,
    Operand,
    Pointwise,
    Reduced,
    Stored,
    Taken,
)

Places = range | np.ndarray
"""Places wanted along one dimension, none of them negative."""

MOST_RUNS = 4
"""Ascending runs of places along one dimension that a selection may have: the seam makes two."""


class NotPushed(Exception):
    """The selection cannot be made before the node is computed."""


def sliced(operand: Operand, keys: Sequence[Places]) -> Operand:
    """Return the places of a node along each dimension; at least one along each.

    Raises NotPushed.
    """
    if all(map(_is_all, keys, operand.shape)):
        return operand
    if isinstance(operand, np.ndarray):
        return picked(operand, keys)
    return _WAYS[type(operand)](operand, keys)


def picked(values: np.ndarray, keys: Sequence[Places]) -> np.ndarray:
    """Return the places of an array along each dimension."""
    for axis, key in enumerate(keys):
        if isinstance(key, range):
            stop = key.stop if key.stop >= 0 else None
            values = values[(slice(None),) * axis + (slice(key.start, stop, key.step),)]
        else:
            values = values.take(key, axis)
    return values


def _is_all(key: Places, length: int) -> bool:
    return isinstance(key, range) and key == range(length)


def _stored(node: Stored, keys: Sequence[Places]) -> Operand:
    runs = [_runs(key) for key in keys]
    if len(runs[0]) > MOST_RUNS:
        wanted, inverse = np.unique(np.asarray(keys[0]), return_inverse=True)
        return Taken(_stored(node, [_tidy(wanted), *keys[1:]]), inverse)
    if any(len(along) > MOST_RUNS for along in runs):
        raise NotPushed("places in no order along an inner dimension")
    pieces = [
        part
        for box in itertools.product(*runs)
        for piece in node.source.pieces
        if (part := _part(piece, box))
    ]
    return Stored(replace(node.source, pieces=tuple(pieces)))


Run = tuple[int, Places]
"""Ascending places, and where the first of them is in the selection."""


def _runs(key: Places) -> list[Run]:
    """Return the ascending runs of the places."""
    if isinstance(key, range) and key.step > 0:
        return [(0, key)]
    places = np.asarray(key)
    edges = [0, *(np.flatnonzero(np.diff(places) <= 0) + 1).tolist(), len(places)]
    return [(a, _tidy(places[a:b])) for a, b in itertools.pairwise(edges)]


def _tidy(places: np.ndarray) -> Places:
    """Return ascending places as a range if they are evenly spaced."""
    steps = np.diff(places)
    if len(steps) and (steps != steps[0]).any():
        return places
    step = int(steps[0]) if len(steps) else 1
    return range(int(places[0]), int(places[-1]) + 1, step)


def _part(piece: Piece, box: Sequence[Run]) -> Piece | None:
    """Return what a piece holds of the selection, where it lies in the result."""
    ranges, origin = [], []
    for (offset, key), places, start, end in zip(
        box, piece.ranges, piece.origin, piece.end, strict=True
    ):
        first, last = _within(key, start, end)
        if first >= last:
            return None
        local = key[first:last]
        ranges.append(_chosen(places, local, start))
        origin.append(offset + first)
    return replace(piece, ranges=tuple(ranges), origin=tuple(origin))


def _within(key: Places, start: int, end: int) -> tuple[int, int]:
    """Return which of the ascending places lie in start .. end."""
    if isinstance(key, np.ndarray):
        first, last = np.searchsorted(key, [start, end])
        return int(first), int(last)
    begin, step = key.start, key.step
    return tuple(min(max(-((begin - edge) // step), 0), len(key)) for edge in (start, end))  # type: ignore[return-value]


def _chosen(places: Places, local: Places, start: int) -> Places:
    """Return the places of a file that are meant by places in the whole."""
    if isinstance(local, range):
        return places[local.start - start : local.stop - start : local.step]
    if isinstance(places, range):
        return places.start + (local - start) * places.step
    return places[local - start]


def _pointwise(node: Pointwise, keys: Sequence[Places]) -> Operand:
    operands = tuple(sliced(o, _spread(o, node.shape, keys)) for o in node.operands)
    return replace(node, operands=operands, shape=tuple(map(len, keys)))


def _spread(operand: Operand, shape: tuple[int, ...], keys: Sequence[Places]) -> list[Places]:
    """Return the keys for an operand, which has one place along what it is spread over."""
    return [
        range(1) if length == 1 < whole else key
        for key, length, whole in zip(keys, operand.shape, shape, strict=True)
    ]


def _taken(node: Taken, keys: Sequence[Places]) -> Operand:
    first, *others = keys
    of = sliced(node.of, [range(node.of.shape[0]), *others])
    return Taken(of, node.places[np.asarray(first)])


@dataclass(frozen=True, slots=True)
class _Inner:
    """A function of inner dimensions of which only some places are wanted."""

    function: Callable[[np.ndarray], np.ndarray]
    keys: tuple[Places, ...]

    def __call__(self, block: np.ndarray) -> np.ndarray:
        values = self.function(block)
        return picked(values, [range(len(values)), *self.keys])


def _mapwise(node: Mapwise, keys: Sequence[Places]) -> Operand:
    outer, inner = keys[: -node.inner], tuple(keys[-node.inner :])
    whole = map(range, node.of.shape[len(outer) :])
    of = sliced(node.of, [*outer, *whole])
    function, shape = node.function, (*map(len, outer), *node.shape[len(outer) :])
    if not all(map(_is_all, inner, shape[len(outer) :])):
        function, shape = _Inner(function, inner), tuple(map(len, keys))
    return replace(node, function=function, of=of, shape=shape)


def _arranged(node: Arranged, keys: Sequence[Places]) -> Operand:
    before: list[Places] = [range(1)] * len(node.of.shape)
    for axis, key in zip(node.order, keys, strict=True):
        if axis is not None:
            before[axis] = key
        elif len(key) != 1:
            raise NotPushed("a new dimension repeated")
    return replace(node, of=sliced(node.of, before))


def _reduced(node: Reduced, keys: Sequence[Places]) -> Operand:
    reduction, shape = node.reduction, node.of.shape
    before: list[Places] = [range(length) for length in shape]
    groups = None
    for axis, key in zip(_kept(node), keys, strict=True):
        if axis != reduction.grouped:
            before[axis] = key
        elif axis == next(_kept(node)):
            groups = np.asarray(key)
        elif not _is_all(key, reduction.groups):
            raise NotPushed("groups along an inner dimension")
    result = replace(node, of=sliced(node.of, before))
    return result if groups is None else Taken(result, groups)


def _kept(node: Reduced) -> Iterator[int]:
    """Yield the dimension of what is reduced that each dimension of the result is."""
    for axis in range(len(node.of.shape)):
        if axis == node.reduction.grouped or axis not in node.reduction.axes:
            yield axis


_WAYS: dict[type, Callable[..., Operand]] = {
    Stored: _stored,
    Pointwise: _pointwise,
    Taken: _taken,
    Mapwise: _mapwise,
    Arranged: _arranged,
    Reduced: _reduced,
}
