"""Whether two datasets lie on the same grid, and putting one onto the axes of the other.

Coordinates that differ by no more than the rounding of files count as equal, and those of the first
dataset are used from then on.
"""

import numpy as np
import xarray as xr

from compute_tasks.cf.axes import data_dimensions, same_role
from compute_tasks.cf.times import calendar_of, is_time
from compute_tasks.errors import InvalidInput


def tolerance(values: np.ndarray, dtype: np.dtype) -> float:
    """Return how far a coordinate may lie from the number it stands for.

    That is a ten-thousandth of the finest spacing, which takes in 32-bit rounding (20.1 stored as
    20.1000004), and at least the rounding of `dtype`; a lone value has no spacing and gets a
    relative tolerance.
    """
    known = np.unique(values[np.isfinite(values)])
    largest = float(np.max(np.abs(known), initial=0.0))
    kind = dtype if dtype.kind == "f" else np.dtype(np.float64)
    rounding = 2 * float(np.finfo(kind).eps) * largest
    spacing = 1e-4 * float(np.diff(known).min()) if known.size > 1 else 1e-6 * largest
    return max(rounding, spacing)


def match(
    first: xr.Dataset, other: xr.Dataset, one: str, two: str, *, locator: str | None = None
) -> xr.Dataset:
    """Return `other` on the axes of `first`: same names, same coordinates on shared dimensions.

    An axis only one of them has is left alone. `one` and `two` name the datasets in messages.
    Raises InvalidInput naming the axis whose size or coordinate differs.
    """
    other = _renamed(first, other)
    shared = [d for d in data_dimensions(other) if d in data_dimensions(first)]
    for axis in shared:
        if problem := difference(first, other, axis):
            raise InvalidInput(f"axis {axis!r} of {one} and {two}: {problem}", locator=locator)
    own = set(data_dimensions(other)) - set(shared)
    kept = [n for n, c in other.coords.items() if own and set(c.dims) & own]
    return other.drop_vars([name for name in other.coords if name not in kept])


def difference(first: xr.Dataset, other: xr.Dataset, axis: str) -> str | None:
    """Return how the axis of two datasets differs, in words, or None if it is the same."""
    if first.sizes[axis] != other.sizes[axis]:
        return f"{first.sizes[axis]} and {other.sizes[axis]} points"
    if axis not in first.coords or axis not in other.coords:
        return None
    a, b = first.variables[axis], other.variables[axis]
    if is_time(a) and is_time(b) and calendar_of(a).name != calendar_of(b).name:
        return f"calendars {calendar_of(a).name} and {calendar_of(b).name}"
    if np.array_equal(a.values, b.values):
        return None
    apart = _apart(a, b)
    if not apart.any():
        return None
    place = int(np.argmax(apart))
    return f"point {place} is {_shown(a, place)} and {_shown(b, place)}"


def _apart(a: xr.Variable, b: xr.Variable) -> np.ndarray:
    """Return where two coordinates of the same size are not the same."""
    if is_time(a) and is_time(b):
        seconds, others = (calendar_of(v).seconds(v.values) for v in (a, b))
        return np.abs(seconds - others) > max(tolerance(seconds, seconds.dtype), 1.0)
    if not {a.dtype.kind, b.dtype.kind} <= set("iuf"):
        return np.asarray(a.values != b.values)
    coarser = min((a.dtype, b.dtype), key=lambda dtype: dtype.itemsize)
    allowed = tolerance(np.asarray(a.values, dtype=np.float64), coarser)
    return np.abs(a.values.astype(np.float64) - b.values) > allowed


def _shown(variable: xr.Variable, place: int) -> str:
    value = variable.values[place]
    return str(value.isoformat()) if is_time(variable) else str(value)


def _renamed(first: xr.Dataset, other: xr.Dataset) -> xr.Dataset:
    """Return `other` with its axes called as the ones of the same role in `first`."""
    names = {}
    for axis in data_dimensions(other):
        if axis not in data_dimensions(first):
            role = same_role(other, axis, first)
            if role and role not in other.variables and role not in other.dims:
                names[axis] = role
    return other.rename(names)
