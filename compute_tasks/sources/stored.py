"""Variables of local files as fields: their values are read by the index of the file's chunks."""

import numpy as np
import xarray as xr

from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.expression import Stored
from compute_tasks.engine.field import Field
from compute_tasks.engine.layout import FileIndex
from compute_tasks.engine.reduction import Source
from compute_tasks.sources import cf


class LeftToLibraryError(Exception):
    """The values are not read by the index; the text says why."""


def field(index: FileIndex, stored: xr.Variable, decoded: xr.Variable, name: str) -> Field:
    """Return the values of a variable, decoded as xarray does it.

    `stored` is the variable as the file has it. Raises LeftToLibraryError.
    """
    if "_Unsigned" in stored.attrs:
        raise LeftToLibraryError(f"{name} holds signed numbers that stand for unsigned ones")
    found = index.variables.get(name)
    if found is None or found.shape != stored.shape or not stored.ndim:
        why = index.refused.get(name) or index.refused.get("") or "its shape is not what is stored"
        raise LeftToLibraryError(f"{name} is read by the NetCDF library: {why}")
    everything = tuple(map(range, stored.shape))
    piece = Piece(index.identity, found, everything, (0,) * stored.ndim)
    scale, offset = (_number(stored, key) for key in ("scale_factor", "add_offset"))
    return Field(Stored(Source((piece,), decoded.dtype, _missing(stored), scale, offset)))


def _missing(stored: xr.Variable) -> tuple[float, ...]:
    fills = [cf.as_fill(stored.attrs[key], stored.dtype) for key in cf.FILLS if key in stored.attrs]
    numbers = np.concatenate([np.empty(0), *(np.atleast_1d(f) for f in fills if f is not None)])
    return tuple(float(number) for number in np.unique(numbers[~np.isnan(numbers)]))


def _number(stored: xr.Variable, key: str) -> float | None:
    value = stored.attrs.get(key)
    # As xarray does: the type of a scalar decides in which precision is multiplied.
    return np.asarray(value).item() if isinstance(value, list | np.ndarray) else value
