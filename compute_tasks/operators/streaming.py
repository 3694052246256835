"""Fields in the variables of xarray: made of others, turned into dask arrays, computed."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.engine.evaluation import is_reduced, reductions, settled_nodes, values
from compute_tasks.engine.evaluator import whole
from compute_tasks.engine.expression import Mapwise, Operand
from compute_tasks.engine.field import Field, arranged, field_of
from compute_tasks.engine.pointwise import pointwise as node_of
from compute_tasks.parts import NO_PARTS, Parts


def is_field(data: Any) -> bool:
    """Tell whether an array of xarray is a field."""
    return isinstance(data.variable._data if isinstance(data, xr.DataArray) else data._data, Field)


def lazily(variable: xr.Variable) -> xr.Variable:
    """Return a variable with a dask array in place of a field."""
    data = variable.data
    return with_data(variable, data.lazy()) if isinstance(data, Field) else variable


def with_data(variable: xr.Variable, data: Any) -> xr.Variable:
    """Return a variable with another array."""
    return xr.Variable(variable.dims, data, variable.attrs, variable.encoding)


def without_fields(dataset: xr.Dataset) -> xr.Dataset:
    """Return a dataset with dask arrays in place of fields."""
    fields = {n: lazily(v.variable) for n, v in dataset.data_vars.items() if is_field(v)}
    return dataset.assign(fields) if fields else dataset


def stages(datasets: Sequence[xr.Dataset]) -> int:
    """Return in how many stages fields are computed: reductions, and what is made of them later."""
    nodes = [v.data.node for d in datasets for v in d.data_vars.values() if is_field(v)]
    return 2 if any(reductions(nodes)) and not all(map(is_reduced, nodes)) else 1


def settle(
    datasets: Sequence[xr.Dataset],
    threads: int,
    memory_bytes: int,
    report: Callable[[float], None],
    parts: Parts = NO_PARTS,
) -> list[xr.Dataset]:
    """Return datasets with their reductions computed: what is left of fields reads files once.

    What is made of reductions only is in memory then. `report` is told the share that is done,
    `parts` keeps it. Raises SourceError, and MemoryNeeded.
    """
    found = [(n, name, v) for n, d in enumerate(datasets) for name, v in d.data_vars.items()]
    fields = [(n, name, v.data.node) for n, name, v in found if is_field(v)]
    wanted = [node for _, _, node in fields]
    bounds = {"threads": threads, "memory_bytes": memory_bytes}
    nodes = settled_nodes(wanted, **bounds, report=report, parts=parts)
    result = list(datasets)
    for (n, name, _), node in zip(fields, nodes, strict=True):
        data = values(node, whole(node.shape)) if is_reduced(node) else field_of(node)
        result[n] = result[n].assign({name: with_data(result[n].variables[name], data)})
    return result


def pointwise(
    function: Callable[..., np.ndarray], variables: Sequence[xr.Variable]
) -> xr.Variable | None:
    """Return a function of each point of variables, spread to the dimensions of all of them.

    None unless some are fields and the others in memory.
    """
    arrays = [variable.data for variable in variables]
    if not any(isinstance(a, Field) for a in arrays) or not all(
        isinstance(a, Field | np.ndarray) for a in arrays
    ):
        return None
    dims = tuple(dict.fromkeys(d for variable in variables for d in variable.dims))
    operands = [_spread(variable, dims) for variable in variables]
    nothing = [np.empty((0,) * len(dims), operand.dtype) for operand in operands]
    return xr.Variable(dims, Field(node_of(function, operands, function(*nothing).dtype)))


def _spread(variable: xr.Variable, dims: Sequence[Hashable]) -> Operand:
    """Return the array of a variable with these dimensions, of length 1 where it has none."""
    order = tuple(variable.dims.index(d) if d in variable.dims else None for d in dims)
    data = variable.data
    if isinstance(data, Field):
        return arranged(data, order).node
    moved = data.transpose([axis for axis in order if axis is not None])
    return moved[tuple(None if axis is None else slice(None) for axis in order)]


def mapwise(
    function: Callable[[np.ndarray], np.ndarray],
    variable: xr.Variable,
    inner: Sequence[Hashable],
    sizes: Mapping[str, int],
    dtype: np.dtype,
) -> xr.Variable | None:
    """Return a function of maps along the inner dimensions of a field (see `Mapwise`).

    `sizes` are the dimensions that take the place of the inner ones, and their lengths.
    """
    if not is_field(variable):
        return None
    outer = [d for d in variable.dims if d not in inner]
    of = variable.transpose(*outer, *inner).data.node
    shape = (*(variable.sizes[d] for d in outer), *sizes.values())
    if len(inner) != len(sizes):
        return None
    return xr.Variable([*outer, *sizes], Field(Mapwise(function, of, len(inner), shape, dtype)))
