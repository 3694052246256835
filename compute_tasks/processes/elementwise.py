"""Processes that compute each value from one value."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.cf import units
from compute_tasks.cf.attributes import computed, renewed
from compute_tasks.operators.mapping import pointwise
from compute_tasks.operators.parameters import COMMON
from compute_tasks.operators.statistics import check_numeric
from compute_tasks.registry import catalog

Describe = Callable[[xr.DataArray], dict[str, Any]]


@catalog.process("CDAT.abs", "Absolute value", common=COMMON, streams=True)
def absolute(dataset: xr.Dataset) -> xr.Dataset:
    """Return the absolute value at every point; units stay, missing values stay missing."""
    return _mapped(dataset, np.abs, lambda data: computed(data.attrs))


@catalog.process("CDAT.exp", "Exponential", common=COMMON, streams=True)
def exponential(dataset: xr.Dataset) -> xr.Dataset:
    """Return e to the power of every value; units 1.

    Missing values stay missing, and results too large for the precision of the input become so.
    """
    return _mapped(dataset, np.exp, lambda data: _named("exponential", data, "1"))


@catalog.process("CDAT.log", "Natural logarithm", common=COMMON, streams=True)
def logarithm(dataset: xr.Dataset) -> xr.Dataset:
    """Return the natural logarithm of every value; units 1.

    Missing values stay missing, and the logarithms of zero and of negative values are missing.
    """
    return _mapped(dataset, np.log, lambda data: _named("natural logarithm", data, "1"))


@catalog.process("CDAT.sqrt", "Square root", common=COMMON, streams=True)
def square_root(dataset: xr.Dataset) -> xr.Dataset:
    """Return the square root of every value.

    Units are halved in their exponents where that leaves whole ones, and else left out. Missing
    values stay missing, and the roots of negative values are missing.
    """
    return _mapped(
        dataset,
        np.sqrt,
        lambda data: _named("square root", data, units.power(data.attrs.get("units"), 0.5)),
    )


def _mapped(dataset: xr.Dataset, function: Callable[..., Any], describe: Describe) -> xr.Dataset:
    check_numeric(dataset)
    return dataset.assign(
        {
            name: pointwise(function, describe(data), data)
            for name, data in dataset.data_vars.items()
        }
    )


def _named(what: str, data: xr.DataArray, unit: str | None) -> dict[str, Any]:
    return renewed(data.attrs, f"{what} of {data.attrs.get('long_name', data.name)}", unit)
