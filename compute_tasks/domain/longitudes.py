"""Longitudes repeat every 360 degrees: where the columns of a file lie in an asked range."""

import numpy as np

CIRCLE = 360.0


def unwind(start: float, end: float) -> tuple[float, float]:
    """Return the ends of a range with start <= end; `350..10` runs eastwards across 360."""
    if start - end >= CIRCLE:
        return end, start
    while end < start:
        end += CIRCLE
    return start, end


def place(
    values: np.ndarray, start: float, end: float, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the cells in a range, and the degrees to add to each of them.

    A longitude that lies in the range as it is stays; others are moved by full circles into it.
    """
    low, high = start - tolerance, end + tolerance
    inside = (values >= low) & (values <= high)
    turns = np.where(inside, 0.0, np.ceil((low - values) / CIRCLE))
    moved = values + CIRCLE * turns
    positions = np.flatnonzero((moved >= low) & (moved <= high))
    return positions, CIRCLE * turns[positions]


def as_columns(
    values: np.ndarray, positions: np.ndarray, shifts: np.ndarray, tolerance: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return placed positions and shifts as the columns of a grid: in order, no longitude twice.

    Columns of which none was moved stay as they are.
    """
    if not shifts.any():
        return positions, shifts
    moved = values[positions] + shifts
    order = np.argsort(moved, kind="stable")
    order = order[_firsts(moved[order], shifts[order], tolerance)]
    if np.median(np.diff(values)) < 0:
        order = order[::-1]
    return positions[order], shifts[order]


def distances(values: np.ndarray, point: float) -> np.ndarray:
    """Return how far east of `point` each longitude lies, in -180..180 degrees."""
    return (values - point + CIRCLE / 2) % CIRCLE - CIRCLE / 2


def _firsts(moved: np.ndarray, shifts: np.ndarray, tolerance: float) -> list[int]:
    """Return one place of each longitude, that of a column which was not moved if there is one."""
    kept: list[int] = []
    for place, shift in enumerate(shifts):
        if not kept or abs(moved[place] - moved[kept[-1]]) > tolerance:
            kept.append(place)
        elif shift == 0:
            kept[-1] = place
    return kept
