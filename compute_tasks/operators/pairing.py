"""Which variables of two inputs belong together."""

import xarray as xr

from compute_tasks.errors import InvalidInput


def pairs(first: xr.Dataset, second: xr.Dataset) -> dict[str, str]:
    """Return which variable of the second input goes with each of the first.

    Raises InvalidInput with locator `variable` where their names do not say.
    """
    a, b = ([str(name) for name in dataset.data_vars] for dataset in (first, second))
    if len(a) == len(b) == 1:
        return {a[0]: b[0]}
    if set(a) <= set(b):
        return {name: name for name in a}
    raise InvalidInput(
        f"the first input has the variables {', '.join(a)}, the second {', '.join(b)}; "
        "choose one with the parameter variable",
        locator="variable",
    )
