"""What is asked of an array between brackets, as places along each of its dimensions."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from compute_tasks.engine.slicing import Places


def parsed(key: Any, shape: tuple[int, ...]) -> tuple[list[Places] | None, tuple[int | None, ...]]:
    """Return the places wanted along each dimension, and which of them the result has.

    None for what selects points, not places along dimensions.
    """
    given = key if isinstance(key, tuple) else (key,)
    parts = [part for part in given if part is not Ellipsis]
    if len(parts) < len(given):
        middle = next(number for number, part in enumerate(given) if part is Ellipsis)
    else:
        middle = len(parts)
    free = len(shape) - sum(part is not None for part in parts)
    parts[middle:middle] = [slice(None)] * free
    arrays = [part for part in parts if isinstance(part, np.ndarray) and part.ndim]
    if len(arrays) > 1 and not _is_orthogonal(parts):
        return None, ()
    keys: list[Places] = []
    order: list[int | None] = []
    for part in parts:
        if part is None:
            order.append(None)
            continue
        length = shape[len(keys)]
        if isinstance(part, slice) or np.ndim(part):
            order.append(len(keys))
            keys.append(_places(part, length))
        else:
            place = range(length)[int(part)]
            keys.append(range(place, place + 1))
    return keys, tuple(order)


def _is_orthogonal(parts: Sequence[Any]) -> bool:
    """Tell whether each part is an array along a dimension of its own, as numpy.ix_ makes them."""
    return all(
        isinstance(part, np.ndarray) and part.ndim == len(parts) and part.size == part.shape[axis]
        for axis, part in enumerate(parts)
    )


def _places(part: Any, length: int) -> Places:
    if isinstance(part, slice):
        return range(length)[part]
    places = np.asarray(part).reshape(-1)
    if places.dtype == bool:
        places = np.flatnonzero(places)
    if ((places < -length) | (places >= length)).any():
        raise IndexError(f"an index outside a dimension of {length}")
    return np.where(places < 0, places + length, places).astype(np.int64)
