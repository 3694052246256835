"""From stored values to what they mean: scaled, shifted, NaN where missing."""

import numpy as np

from compute_tasks.engine import value_kernels
from compute_tasks.engine.reduction import Source


def decoded(source: Source, stored: np.ndarray) -> np.ndarray:
    """Return the values in the dtype of the source; may change and return `stored` itself."""
    if stored.dtype == source.dtype and source.scale is None and source.offset is None:
        if stored.dtype.kind == "f":
            for missing in source.missing:
                value_kernels.blank(stored.reshape(-1), stored.dtype.type(missing))
        return stored
    values = stored.astype(source.dtype)
    if source.scale is not None:
        values *= source.scale
    if source.offset is not None:
        values += source.offset
    for missing in source.missing:
        values[stored == missing] = np.nan
    return values
