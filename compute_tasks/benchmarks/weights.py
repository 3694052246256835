"""First-order conservative weights between uniform global grids, as the peers and the floor use."""

import numpy as np
import scipy.sparse


def conservative(latitudes: int, longitudes: int, step: float) -> scipy.sparse.csr_array:
    """Return weights (cells of a STEP x STEP degree grid, cells of the source), rows summing to 1.

    Cells are counted along longitude first, from the south pole and longitude 0.
    """
    south = _overlaps(
        np.sin(np.deg2rad(_edges(-90, 90, round(180 / step)))),
        np.sin(np.deg2rad(_edges(-90, 90, latitudes))),
    )
    east = _overlaps(_edges(0, 360, round(360 / step)), _edges(0, 360, longitudes))
    return scipy.sparse.csr_array(scipy.sparse.kron(south, east, format="csr"), dtype="f4")


def _edges(start: float, end: float, count: int) -> np.ndarray:
    return np.linspace(start, end, count + 1)


def _overlaps(target: np.ndarray, source: np.ndarray) -> scipy.sparse.csr_array:
    """Return the share of each target interval in each source interval, both given by edges."""
    low = np.maximum(target[:-1, None], source[None, :-1])
    high = np.minimum(target[1:, None], source[None, 1:])
    shares = np.maximum(high - low, 0) / np.diff(target)[:, None]
    return scipy.sparse.csr_array(shares)
