"""Values outside the range that a file calls valid are missing, as NetCDF prescribes."""

from typing import Any

import numpy as np
import xarray as xr

UNPACKING = ("scale_factor", "add_offset", "_Unsigned")


def limits(stored: xr.Variable) -> tuple[float | None, float | None]:
    """Return the smallest and the largest valid value, unpacked; None for one that is not given.

    Files give them as `valid_range`, or as `valid_min` and `valid_max`, in the type of the stored
    values; of whole numbers that stand for fractions also as a fraction, then of the unpacked
    values. What is no range of numbers does not count.
    """
    both = np.atleast_1d(stored.attrs.get("valid_range", ()))
    ends = both if both.size == 2 else [stored.attrs.get(f"valid_{end}") for end in ("min", "max")]
    low, high = (_unpacked(end, stored) for end in ends)
    return (None, None) if low is not None and high is not None and low > high else (low, high)


def masked(decoded: xr.Variable, low: float | None, high: float | None) -> xr.Variable:
    """Return the variable, lazily, with values below `low` and above `high` missing."""
    valid = [decoded >= low] if low is not None else []
    valid += [decoded <= high] if high is not None else []
    kept = decoded
    for within in valid:
        kept = kept.where(within)
    return xr.Variable(decoded.dims, kept.data, decoded.attrs, decoded.encoding)


def _unpacked(limit: Any, stored: xr.Variable) -> float | None:
    value = np.asarray(limit)
    if value.dtype.kind not in "iuf" or value.size != 1 or np.isnan(value).any():
        return None
    value = value.reshape(())
    if value.dtype.kind == "f" and stored.dtype.kind != "f":
        return float(value)
    packing = {key: stored.attrs[key] for key in UNPACKING if key in stored.attrs}
    packed = xr.Variable((), value.astype(stored.dtype), packing)
    return float(xr.conventions.decode_cf_variable("limit", packed).values)
