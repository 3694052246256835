"""Weights along one axis of rows and columns; those of two axes multiply to weights of cells.

Each function returns a matrix (target, source). Longitudes count modulo 360.
"""

from dataclasses import dataclass

import numpy as np

from compute_tasks.regrid.grids import CIRCLE, Axis
from compute_tasks.regrid.sparse import Sparse, sparse

SLIVER = 1e-9
"""Part of a target cell, and of a spacing, that rounding alone can make."""
EVEN = 1.5
"""Longitudes whose widest gap is at most so many times the usual one go round the globe."""


def conservative(source: Axis, target: Axis, *, circular: bool) -> Sparse:
    """Return the part of each target cell that each source cell covers, by area on the sphere."""
    measured = [_measured(axis.cells, circular) for axis in (source, target)]
    (given, origin), (wanted, place) = (
        _unrolled(c) if circular else _straight(c) for c in measured
    )
    edges = np.unique(np.concatenate([given.ravel(), wanted.ravel()]))
    middles, widths = (edges[1:] + edges[:-1]) / 2, np.diff(edges)
    a, b = _holder(given, middles), _holder(wanted, middles)
    both = (a >= 0) & (b >= 0)
    rows, columns = place[b[both]], origin[a[both]]
    parts = widths[both] / np.ptp(measured[1], axis=1)[rows]
    return _matrix(parts, rows, columns, target, source, SLIVER)


def linear(source: Axis, target: Axis, *, circular: bool) -> Sparse:
    """Return the weights of the two centres beside each target centre.

    Beyond the outermost centres, up to the edges of their cells, the outermost alone counts.
    """
    found = _neighbours(source, target.centres, circular)
    rows = np.flatnonzero(found.inside)
    right = found.weight[rows]
    return _matrix(
        np.concatenate([1.0 - right, right]),
        np.concatenate([rows, rows]),
        np.concatenate([found.left[rows], found.right[rows]]),
        target,
        source,
    )


def nearest(source: Axis, target: Axis, *, circular: bool) -> Sparse:
    """Return a weight of one for the nearest centre, southern or western of equally near ones."""
    found = _neighbours(source, target.centres, circular)
    rows = np.flatnonzero(found.inside)
    columns = np.where(found.weight <= 0.5 + SLIVER, found.left, found.right)[rows]
    return _matrix(np.ones(rows.size), rows, columns, target, source)


@dataclass(frozen=True, slots=True)
class _Neighbours:
    """For each target two source positions, the weight of the right one, and if it is inside."""

    left: np.ndarray
    right: np.ndarray
    weight: np.ndarray
    inside: np.ndarray


def _matrix(
    values: np.ndarray,
    rows: np.ndarray,
    columns: np.ndarray,
    target: Axis,
    source: Axis,
    least: float = 0.0,
) -> Sparse:
    return sparse(values, rows, columns, (target.centres.size, source.centres.size), least)


def _measured(cells: np.ndarray, circular: bool) -> np.ndarray:
    """Return cells so that equal widths are equal areas: longitudes, or sines of latitudes."""
    return cells if circular else np.sin(np.radians(cells))


def _straight(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return cells, np.arange(len(cells))


def _unrolled(cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return cells cut at 0 and 360 degrees, and which cell each piece is of."""
    low = cells[:, 0] % CIRCLE
    high = low + np.minimum(np.ptp(cells, axis=1), CIRCLE)
    pieces = np.stack(
        [np.concatenate([low, low - CIRCLE]), np.concatenate([high, high - CIRCLE])], 1
    )
    pieces = np.clip(pieces, 0.0, CIRCLE)
    some = pieces[:, 1] > pieces[:, 0]
    return pieces[some], np.tile(np.arange(len(cells)), 2)[some]


def _holder(cells: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Return the position of the cell each point lies in, -1 for none."""
    order = np.argsort(cells[:, 0], kind="stable")
    place = np.searchsorted(cells[order, 0], points, side="right") - 1
    found = order[np.maximum(place, 0)]
    return np.where((place >= 0) & (points < cells[found, 1]), found, -1)


def _neighbours(source: Axis, targets: np.ndarray, circular: bool) -> _Neighbours:
    centres, origin, low, high = _line(source) if circular else _ordered(source)
    slack = SLIVER * CIRCLE
    if circular:
        targets = low - slack + (targets - low + slack) % CIRCLE
    inside = (targets >= low - slack) & (targets <= high + slack)
    clipped = np.clip(targets, centres[0], centres[-1])
    left = np.clip(np.searchsorted(centres, clipped, side="right") - 1, 0, max(centres.size - 2, 0))
    right = np.minimum(left + 1, centres.size - 1)
    gap = centres[right] - centres[left]
    weight = np.divide(clipped - centres[left], gap, out=np.zeros(gap.size), where=gap > 0)
    weight[weight < SLIVER] = 0.0
    weight[weight > 1.0 - SLIVER] = 1.0
    return _Neighbours(origin[left], origin[right], weight, inside)


def _ordered(axis: Axis) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return the centres in order, their positions, and the ends of the outermost cells."""
    order = np.argsort(axis.centres, kind="stable")
    return axis.centres[order], order, float(axis.cells.min()), float(axis.cells.max())


def _line(axis: Axis) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Return longitudes as `_ordered` does latitudes, cut where the widest gap is.

    Round the whole globe the ends are repeated a turn further; a longitude twice counts once.
    """
    turned, order = np.unique(np.round(axis.centres % CIRCLE, 9) % CIRCLE, return_index=True)
    gaps = np.diff(turned, append=turned[0] + CIRCLE)
    cut = (int(np.argmax(gaps)) + 1) % turned.size
    order = np.roll(order, -cut)
    centres = turned[cut] + np.concatenate([[0.0], np.cumsum(np.roll(gaps, -cut)[:-1])])
    below, above = np.abs(axis.cells[order] - axis.centres[order][:, None]).T
    low, high = float(centres[0] - below[0]), float(centres[-1] + above[-1])
    even = turned.size > 1 and gaps.max() < EVEN * np.median(gaps)
    if high - low < CIRCLE * (1 - 1e-4) and not even:
        return centres, order, low, high
    centres = np.concatenate([[centres[-1] - CIRCLE], centres, [centres[0] + CIRCLE]])
    order = np.concatenate([order[-1:], order, order[:1]])
    return centres, order, low, low + CIRCLE
