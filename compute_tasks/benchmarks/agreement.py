"""How far a result is from a peer's: the largest difference, over all cells both have.

    python -m compute_tasks.benchmarks.agreement ours.nc peer.nc tas

prints one number. Results of other shapes, or with other cells missing, are an error.
"""

import sys

import netCDF4
import numpy as np

BLOCK_BYTES = 1 << 26


def difference(ours: np.ndarray, peer: np.ndarray) -> float:
    """Return the largest difference; ValueError unless the same cells are missing (NaN)."""
    missing = np.isnan(ours)
    if not np.array_equal(missing, np.isnan(peer)):
        raise ValueError(f"{np.sum(missing != np.isnan(peer))} cells are missing in one of the two")
    gaps = np.abs(ours - peer)[~missing]
    return float(gaps.max()) if gaps.size else 0.0


def largest(ours: str, peer: str, variable: str) -> float:
    """Return the largest difference of a variable in two files, read block by block."""
    with netCDF4.Dataset(ours) as first, netCDF4.Dataset(peer) as second:
        a, b = first[variable], second[variable]
        shapes = [tuple(n for n in v.shape if n > 1) for v in (a, b)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"the shapes are {a.shape} and {b.shape}")
        if a.shape != b.shape:
            return difference(_values(a[:]).squeeze(), _values(b[:]).squeeze())
        length = max(1, BLOCK_BYTES // (4 * max(1, a[0].size)))
        starts = range(0, a.shape[0], length)
        return max(
            difference(_values(a[i : i + length]), _values(b[i : i + length])) for i in starts
        )


def _values(data: np.ma.MaskedArray) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(data, dtype="f8"), np.nan)


if __name__ == "__main__":
    print(largest(*sys.argv[1:4]))
