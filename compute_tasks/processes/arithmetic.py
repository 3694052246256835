"""Processes that compute with two inputs, or with one input and a number."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.cf import units
from compute_tasks.cf.attributes import combined, computed, renewed
from compute_tasks.cf.axes import data_dimensions
from compute_tasks.cf.grids import match
from compute_tasks.errors import InvalidInput, MissingInput
from compute_tasks.operators.mapping import pointwise
from compute_tasks.operators.pairing import pairs
from compute_tasks.operators.parameters import COMMON, CONST
from compute_tasks.operators.statistics import check_numeric
from compute_tasks.registry import catalog

Attributes = dict[str, Any]
Describe = Callable[[xr.DataArray, xr.DataArray | float], Attributes]


def _arithmetic(name: str, title: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return catalog.process(
        f"CDAT.{name}",
        title,
        inputs=(1, 2),
        parameters=[CONST],
        common=COMMON,
        check=_check_operand,
        streams=True,
    )


def _check_operand(count: int, arguments: Mapping[str, Any]) -> None:
    """Refuse two second operands, or none."""
    given = arguments.get("const") is not None
    if count > 1 and given:
        raise InvalidInput("two inputs and const came; give one of them", locator="const")
    if count == 1 and not given:
        raise MissingInput("give a second input or the number const", locator="const")


@_arithmetic("add", "Sum of two inputs")
def add(*datasets: xr.Dataset, const: float | None) -> xr.Dataset:
    """Add the second input, or the number const, to the first.

    Both inputs must have the same units and lie on the same grid; an axis the one has not is spread
    over. A value missing in either is missing.
    """
    return _computed(datasets, const, np.add, _of_sum("+"))


@_arithmetic("subtract", "Difference of two inputs")
def subtract(*datasets: xr.Dataset, const: float | None) -> xr.Dataset:
    """Subtract the second input, or the number const, from the first.

    Both inputs must have the same units and lie on the same grid; an axis the one has not is spread
    over. A value missing in either is missing.
    """
    return _computed(datasets, const, np.subtract, _of_sum("-"))


@_arithmetic("multiply", "Product of two inputs")
def multiply(*datasets: xr.Dataset, const: float | None) -> xr.Dataset:
    """Multiply the first input by the second, or by the number const, which leaves the units.

    Both inputs must lie on the same grid; an axis the one has not is spread over. Units are
    multiplied. A value missing in either is missing.
    """
    return _computed(datasets, const, np.multiply, _of_product("*", units.product))


@_arithmetic("divide", "Ratio of two inputs")
def divide(*datasets: xr.Dataset, const: float | None) -> xr.Dataset:
    """Divide the first input by the second, or by the number const, which leaves the units.

    Both inputs must lie on the same grid; an axis the one has not is spread over. Units are
    divided. A value missing in either is missing, and so is what is divided by zero.
    """
    return _computed(datasets, const, np.divide, _of_product("/", units.quotient))


@_arithmetic("power", "Power of an input")
def power(*datasets: xr.Dataset, const: float | None) -> xr.Dataset:
    """Raise the first input to the power of the number const, or of the second input.

    Both inputs must lie on the same grid; an axis the one has not is spread over. Units are raised
    too where they can be written with whole exponents, and else left out. Where the result is
    undefined or infinite it is missing.
    """
    return _computed(datasets, const, np.power, _of_power)


def _computed(
    datasets: tuple[xr.Dataset, ...],
    const: float | None,
    function: Callable[..., Any],
    describe: Describe,
) -> xr.Dataset:
    for dataset in datasets:
        check_numeric(dataset)
    first, *others = datasets
    if const is None:
        return _with_second(first, others[0], function, describe)
    return first.assign(
        {
            name: pointwise(lambda block: function(block, const), describe(data, const), data)
            for name, data in first.data_vars.items()
        }
    )


def _with_second(
    first: xr.Dataset, second: xr.Dataset, function: Callable[..., Any], describe: Describe
) -> xr.Dataset:
    matched = match(first, second, "the first input", "the second", locator="operation")
    dims = _dimensions(first, matched)
    results = {}
    for name, other in pairs(first, matched).items():
        one, two = first[name], matched[other]
        result = pointwise(function, describe(one, two), one, two)
        results[name] = result.transpose(*(d for d in dims if d in result.dims))
    joined = first.assign_coords(matched.coords).assign(results)
    return joined.assign_attrs(combined([first, second]))


def _dimensions(first: xr.Dataset, second: xr.Dataset) -> tuple[str, ...]:
    """Return the dimensions of the result, or refuse inputs that each have one the other lacks."""
    a, b = data_dimensions(first), data_dimensions(second)
    if set(b) <= set(a):
        return a
    if set(a) <= set(b):
        return b
    own = [", ".join(x for x in p if x not in q) for p, q in ((a, b), (b, a))]
    raise InvalidInput(
        f"only the first input has the axis {own[0]} and only the second {own[1]}; "
        "one of them must have all axes",
        locator="operation",
    )


def _of_sum(sign: str) -> Describe:
    def describe(one: xr.DataArray, two: xr.DataArray | float) -> Attributes:
        if not isinstance(two, xr.DataArray):
            return computed(one.attrs)
        a, b = one.attrs.get("units"), two.attrs.get("units")
        if not units.same(a, b):
            raise InvalidInput(
                f"units differ: {one.name} has {a!r}, {two.name} has {b!r}", locator="operation"
            )
        same = all(
            one.attrs.get(key) == two.attrs.get(key) for key in ("standard_name", "cell_methods")
        )
        return (
            computed(one.attrs) if same else renewed(one.attrs, f"{one.name} {sign} {two.name}", a)
        )

    return describe


def _of_product(sign: str, combine: Callable[[str | None, str | None], str | None]) -> Describe:
    def describe(one: xr.DataArray, two: xr.DataArray | float) -> Attributes:
        if not isinstance(two, xr.DataArray):
            return computed(one.attrs)
        unit = combine(one.attrs.get("units"), two.attrs.get("units"))
        return renewed(one.attrs, f"{one.name} {sign} {two.name}", unit)

    return describe


def _of_power(one: xr.DataArray, two: xr.DataArray | float) -> Attributes:
    if isinstance(two, xr.DataArray):
        return renewed(one.attrs, f"{one.name} to the power of {two.name}", None)
    unit = units.power(one.attrs.get("units"), two)
    return renewed(one.attrs, f"{one.name} to the power of {two:g}", unit)
