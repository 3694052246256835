"""Reductions of fields as nodes that stream; None for what is left to xarray and dask."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.engine.expression import Arranged, Operand, Reduced
from compute_tasks.engine.field import Field, arranged
from compute_tasks.engine.reduction import Reduction
from compute_tasks.operators.streaming import is_field

HELD_BYTES = 2**28
"""Bytes that the result of a reduction may take, which is in memory."""
WEIGHTS_BYTES = 2**26
"""Bytes of weights, such as areas of cells, that are read before anything is computed."""

Factor = tuple[tuple[Hashable, ...], np.ndarray]
"""Weights, and the dimensions they lie on."""


@dataclass(frozen=True, slots=True)
class Bins:
    """The number of the group of each place along a dimension, -1 for none, and their count."""

    dimension: str
    labels: np.ndarray
    count: int


def statistic(
    variable: xr.Variable, name: str, dims: Sequence[str], bins: Bins | None = None
) -> xr.Variable | None:
    """Return a statistic (see `reduction`) of a field over dimensions; missing values left out.

    With `bins` there is one for each group along one of them, which keeps its place.
    """
    if not dims or (bins and bins.dimension not in dims):
        return None
    text = f"{name} over {_listed(dims)}"
    if bins:
        text = f"{name} of {bins.count} bins of {bins.dimension} over {_listed(dims)}"
    return _reduced(variable, name, dims, text, bins=bins)


def weighted_mean(
    variable: xr.Variable, factors: Sequence[xr.Variable], dims: Sequence[str]
) -> xr.Variable | None:
    """Return the mean of a field over dimensions, weighted by the product of the factors.

    Factors that are not in memory are read.
    """
    if not is_field(variable) or any(
        not set(factor.dims) <= set(dims) or factor.nbytes > WEIGHTS_BYTES for factor in factors
    ):
        return None
    weights = [(factor.dims, np.asarray(factor.values)) for factor in factors]
    text = f"weighted mean over {_listed(dims)}" if weights else f"mean over {_listed(dims)}"
    return _reduced(variable, "mean", dims, text, weights)


def group_means(
    variable: xr.Variable, dimension: str, codes: np.ndarray, weights: np.ndarray
) -> xr.Variable | None:
    """Return the weighted mean of each group of points of a field along a dimension.

    `codes` are the groups of the points, from 0 without gaps.
    """
    bins = Bins(dimension, codes, int(codes.max()) + 1)
    text = f"means of {bins.count} groups along {dimension}"
    return _reduced(variable, "mean", [dimension], text, [((dimension,), weights)], bins)


def _listed(dims: Sequence[str]) -> str:
    *others, last = dims
    return f"{', '.join(others)} and {last}" if others else last


def _reduced(
    variable: xr.Variable,
    name: str,
    dims: Sequence[str],
    text: str,
    weights: Sequence[Factor] = (),
    bins: Bins | None = None,
) -> xr.Variable | None:
    if not is_field(variable):
        return None
    node, order = _unarranged(variable.data)
    axes = dict(zip(variable.dims, order, strict=True))
    reduced = [axis for d in dims if (axis := axes[d]) is not None]
    if len(reduced) < len(dims):
        return None
    reduction = Reduction(
        name,
        frozenset(reduced),
        _by_axes(weights, axes),
        axes[bins.dimension] if bins else None,
        bins.labels if bins else None,
        bins.count if bins else 0,
        min_count=1 if name == "sum" else 0,
    )
    kind = node.dtype if name in ("min", "max") else np.dtype("i8" if name == "count" else "f8")
    result = Reduced(node, reduction, kind, text)
    if not _fits(result):
        return None
    places = {axis: place for place, axis in enumerate(_left(result))}
    left = [d for d, axis in axes.items() if axis is None or axis in places]
    field = arranged(Field(result), tuple(_place(axes[d], places) for d in left))
    return xr.Variable(left, field)


def _unarranged(field: Field) -> tuple[Operand, tuple[int | None, ...]]:
    """Return a node whose dimensions are as they are stored, and which of them the field's are."""
    node = field.node
    return (node.of, node.order) if isinstance(node, Arranged) else (node, tuple(range(field.ndim)))


def _by_axes(
    weights: Sequence[Factor], axes: dict[Hashable, int | None]
) -> dict[int | tuple[int, ...], np.ndarray]:
    """Return the weights by the numbers of their dimensions, these in ascending order."""
    result: dict[int | tuple[int, ...], np.ndarray] = {}
    for dims, values in weights:
        numbers = [axes[d] or 0 for d in dims]
        order = np.argsort(numbers)
        key = tuple(numbers[place] for place in order)
        array = np.asarray(values, np.float64).transpose(order)
        result[key] = result[key] * array if key in result else array
    return result


def _fits(result: Reduced) -> bool:
    """Tell whether a reduction can be streamed, and its result be held."""
    try:
        result.reduction.check(result.of.shape, result.of.dtype)
    except ValueError:
        return False
    return math.prod(result.shape) * result.dtype.itemsize <= HELD_BYTES


def _left(result: Reduced) -> list[int]:
    """Return which dimensions of what is reduced the result has."""
    axes = range(len(result.of.shape))
    return [a for a in axes if a == result.reduction.grouped or a not in result.reduction.axes]


def _place(axis: int | None, places: dict[int, int]) -> int | None:
    return None if axis is None else places[axis]
