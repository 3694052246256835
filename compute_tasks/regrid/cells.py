"""The cells along an axis: those of the file if they make sense, else halfway between centres."""

import numpy as np

from compute_tasks.regrid.grids import CIRCLE, Axis

POLE = 90.0
POLE_GAP = 0.3
"""Inferred latitudes that end this part of a spacing from a pole reach it, as Gaussian ones do."""
ROUNDING = 1e-4
"""How far, in widths of a cell, a centre may lie outside its cell."""


def latitudes(centres: np.ndarray, bounds: np.ndarray | None) -> Axis:
    """Return the axis with its cells within the poles.

    Raises ValueError with a text for latitudes that are not in order, or one without bounds.
    """
    if bounds is None or not _sound(centres, cells := np.sort(bounds, axis=1)):
        cells = _inferred(centres)
        gap = POLE_GAP * (cells[:, 1] - cells[:, 0])[:, None]
        cells = np.where(POLE - np.abs(cells) < gap, np.sign(cells) * POLE, cells)
    return Axis(centres, np.clip(cells, -POLE, POLE))


def longitudes(centres: np.ndarray, bounds: np.ndarray | None) -> Axis:
    """Return the axis with its cells; each has low < high and may lie in any turn.

    Raises ValueError with a text for longitudes that are not in order, or one without bounds.
    """
    unrolled = centres if _ordered(centres) else np.unwrap(centres, period=CIRCLE)
    if bounds is not None:
        # Bounds may be of another turn than the centre, one of them even of another than the other.
        edges = unrolled[:, None] + (bounds - centres[:, None] + CIRCLE / 2) % CIRCLE - CIRCLE / 2
        whole = np.ptp(bounds, axis=1) > CIRCLE - ROUNDING
        edges[whole] = bounds[whole] if centres.size == 1 else edges[whole]
        bounds = np.sort(edges, axis=1)
    if bounds is None or not _sound(unrolled, bounds):
        bounds = _inferred(unrolled)
    return Axis(centres, bounds + (centres - unrolled)[:, None])


def _sound(centres: np.ndarray, cells: np.ndarray) -> bool:
    """Tell whether the cells have a width and hold their centres."""
    width = cells[:, 1] - cells[:, 0]
    slack = ROUNDING * width
    return bool(
        np.isfinite(cells).all()
        and (width > 0).all()
        and (centres >= cells[:, 0] - slack).all()
        and (centres <= cells[:, 1] + slack).all()
    )


def _ordered(centres: np.ndarray) -> bool:
    steps = np.diff(centres)
    return bool((steps > 0).all() or (steps < 0).all())


def _inferred(centres: np.ndarray) -> np.ndarray:
    if centres.size < 2:
        raise ValueError("has a single point and no bounds, so its cell is not known")
    if not _ordered(centres):
        raise ValueError("is not in order and has no bounds that can be used")
    steps = np.diff(centres)
    middles = (centres[:-1] + centres[1:]) / 2
    edges = np.concatenate([[centres[0] - steps[0] / 2], middles, [centres[-1] + steps[-1] / 2]])
    return np.sort(np.stack([edges[:-1], edges[1:]], axis=1), axis=1)
