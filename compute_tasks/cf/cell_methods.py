"""The CF attribute `cell_methods`: which statistic was taken over which axes."""

from collections.abc import Iterable

import xarray as xr


def appended(existing: str | None, axes: Iterable[str], method: str) -> str:
    """Return the attribute with one more entry, such as `time: mean` or `lat: lon: maximum`."""
    entry = "".join(f"{axis}: " for axis in axes) + method
    return f"{existing} {entry}" if existing else entry


def axis_label(dataset: xr.Dataset, dimension: str) -> str:
    """Return what to call a dimension that is about to go: its standard name if it has one.

    The dimension's own name would mean nothing in a file that no longer has the dimension.
    """
    if dimension not in dataset.coords:
        return dimension
    return str(dataset[dimension].attrs.get("standard_name", dimension))
