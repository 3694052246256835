"""Nodes one after the other along a dimension: arrays in several files become one."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from compute_tasks.engine.expression import Arranged, Operand, Pointwise, Stored


class NotJoined(Exception):
    """The nodes cannot be one node."""


def joined(parts: Sequence[Operand], axis: int) -> Operand:
    """Return the parts one after the other along a dimension; raises NotJoined."""
    first = parts[0]
    if any(type(part) is not type(first) for part in parts[1:]):
        raise NotJoined("nodes of different kinds")
    if isinstance(first, Stored):
        return _stored([part for part in parts if isinstance(part, Stored)], axis)
    if isinstance(first, Pointwise):
        return _pointwise([part for part in parts if isinstance(part, Pointwise)], axis)
    if isinstance(first, Arranged):
        return _arranged([part for part in parts if isinstance(part, Arranged)], axis)
    raise NotJoined(f"{type(first).__name__} nodes")


def _stored(parts: Sequence[Stored], axis: int) -> Stored:
    """Return one array of the pieces of all, which must be decoded alike."""
    first = parts[0].source
    pieces, start = [], 0
    for part in parts:
        if replace(part.source, pieces=()) != replace(first, pieces=()):
            raise NotJoined("files that are packed differently")
        for piece in part.source.pieces:
            origin = list(piece.origin)
            origin[axis] += start
            pieces.append(replace(piece, origin=tuple(origin)))
        start += part.shape[axis]
    return Stored(replace(first, pieces=tuple(pieces)))


def _pointwise(parts: Sequence[Pointwise], axis: int) -> Pointwise:
    first = parts[0]
    if any((p.function, p.dtype) != (first.function, first.dtype) for p in parts[1:]):
        raise NotJoined("different functions")
    operands = tuple(_operands(same, axis) for same in zip(*(p.operands for p in parts)))  # noqa: B905
    length = sum(part.shape[axis] for part in parts)
    shape = (*first.shape[:axis], length, *first.shape[axis + 1 :])
    if np.broadcast_shapes(*(operand.shape for operand in operands)) != shape:
        raise NotJoined("operands that are spread")
    return replace(first, operands=operands, shape=shape)


def _operands(same: Sequence[Operand], axis: int) -> Operand:
    if all(operand is same[0] for operand in same[1:]) and same[0].shape[axis] == 1:
        return same[0]
    if all(isinstance(operand, np.ndarray) for operand in same):
        return np.concatenate([np.asarray(operand) for operand in same], axis)
    return joined(same, axis)


def _arranged(parts: Sequence[Arranged], axis: int) -> Arranged:
    first = parts[0]
    place = first.order[axis]
    if place is None or any(part.order != first.order for part in parts[1:]):
        raise NotJoined("dimensions in different orders")
    return replace(first, of=joined([part.of for part in parts], place))
