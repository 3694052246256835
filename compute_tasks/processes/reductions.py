"""Processes that reduce axes to one number."""

from collections.abc import Callable
from typing import Any

import xarray as xr

from compute_tasks.operators.grouping import Grouped
from compute_tasks.operators.parameters import AXES, COMMON
from compute_tasks.operators.statistics import reduce
from compute_tasks.registry import Parameter, catalog

Data = xr.Dataset | Grouped


def _reduction(
    name: str, title: str, parameters: tuple[Parameter, ...] = (AXES,)
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return catalog.process(
        f"CDAT.{name}",
        title,
        parameters=parameters,
        common=COMMON,
        accepts_groups=True,
        streams=True,
    )


@_reduction("mean", "Mean over axes")
def mean(data: Data, *, axes: tuple[str, ...] | None) -> xr.Dataset:
    """Average over the given axes, or over all of them, skipping missing values.

    Every point counts the same, whatever area or time it stands for. The units stay; the result is
    in double precision.
    """
    return reduce(data, "mean", axes or ())


@_reduction("max", "Maximum over axes")
def maximum(data: Data, *, axes: tuple[str, ...] | None) -> xr.Dataset:
    """Find the largest value over the given axes, or over all of them, skipping missing values.

    Units and precision stay.
    """
    return reduce(data, "max", axes or ())


@_reduction("min", "Minimum over axes")
def minimum(data: Data, *, axes: tuple[str, ...] | None) -> xr.Dataset:
    """Find the smallest value over the given axes, or over all of them, skipping missing values.

    Units and precision stay.
    """
    return reduce(data, "min", axes or ())


@_reduction("sum", "Sum over axes")
def total(data: Data, *, axes: tuple[str, ...] | None) -> xr.Dataset:
    """Add up the values over the given axes, or over all of them, skipping missing values.

    Nothing is weighted by area or length of time. The units stay; the result is in double
    precision, and missing where all values are.
    """
    return reduce(data, "sum", axes or ())


@_reduction("std", "Standard deviation over axes")
def standard_deviation(data: Data, *, axes: tuple[str, ...] | None) -> xr.Dataset:
    """Compute the standard deviation over the given axes, or all, skipping missing values.

    The sum of squares is divided by the number of values n, not n - 1, and unweighted. The units
    stay; the result is in double precision.
    """
    return reduce(data, "std", axes or ())


@_reduction("var", "Variance over axes")
def variance(data: Data, *, axes: tuple[str, ...] | None) -> xr.Dataset:
    """Compute the variance over the given axes, or all, skipping missing values.

    The sum of squares is divided by the number of values n, not n - 1, and unweighted. The units
    are squared; the result is in double precision.
    """
    return reduce(data, "var", axes or ())


@_reduction("count", "Number of values", parameters=())
def count(data: Data) -> xr.Dataset:
    """Count the values that are not missing, over all axes; units 1, whole numbers.

    Of grouped data those in each bin are counted, over the binned axes only.
    """
    return reduce(data, "count")
