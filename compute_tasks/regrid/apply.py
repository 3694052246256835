"""Taking a dataset to another grid, lazily: weights times blocks of steps."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.cf.attributes import computed
from compute_tasks.errors import InvalidInput
from compute_tasks.operators import streaming
from compute_tasks.regrid.grids import Grid, coordinates
from compute_tasks.regrid.horizontal import Horizontal, read
from compute_tasks.regrid.weights import Weights, weights

BLOCK_BYTES = 2**24
"""Bytes of one block in double precision, of source or target, whichever is larger."""
OF_THE_GRID = frozenset({"cell_measures", "grid_mapping"})
"""Attributes that name variables on the grid of the source."""


def regrid(dataset: xr.Dataset, target: Grid, method: str) -> xr.Dataset:
    """Return the dataset on another grid by `conservative`, `linear` or `nearest`.

    Target cells outside the source are missing. Variables without latitude and longitude stay as
    they are; coordinates along these go. Floats keep their precision, whole numbers become doubles.
    Raises InvalidInput or TooLarge with locator `operation` for what cannot be regridded.
    """
    source = read(dataset)
    way = _Way(source, target, method, weights(source.grid, target, method))
    changed = {n: way.of_variable(data.variable, str(n)) for n, data in dataset.data_vars.items()}
    kept = {
        name: coordinate.variable
        for name, coordinate in dataset.coords.items()
        if not set(coordinate.dims) & set(source.dims)
        and "grid_mapping_name" not in coordinate.attrs
    }
    result = xr.Dataset(changed, attrs=dataset.attrs)
    result.encoding = dict(dataset.encoding)
    return result.assign_coords({**kept, **coordinates(target, *source.names)})


@dataclass(frozen=True, eq=False, slots=True)
class _Way:
    """The way from the grid of a dataset to another one."""

    source: Horizontal
    target: Grid
    method: str
    weights: Weights

    def __dask_tokenize__(self) -> tuple[Any, ...]:
        return self.source.dims, self.source.grid.digest, self.target.digest, self.method

    def of_variable(self, variable: xr.Variable, name: str) -> xr.Variable:
        """Return a variable on the target grid, its other dimensions as they were."""
        if not set(self.source.dims) & set(variable.dims):
            return variable
        _check(variable, name, self.source)
        sizes = dict(zip(self.source.names, self.target.shape, strict=True))
        dims, kind = self.source.dims, _real(variable.dtype)
        result = streaming.mapwise(self.of_block, variable, dims, sizes, kind)
        if result is None:
            result = self._in_dask(variable, sizes)
        attributes = variable.attrs if self.method == "nearest" else computed(variable.attrs)
        kept = {key: value for key, value in attributes.items() if key not in OF_THE_GRID}
        return xr.Variable(result.dims, result.data, kept).transpose(*_order(variable, self.source))

    def _in_dask(self, variable: xr.Variable, sizes: Mapping[str, int]) -> xr.Variable:
        result: xr.Variable = xr.apply_ufunc(
            self.of_block,
            self._in_blocks(streaming.lazily(variable)),
            input_core_dims=[self.source.dims],
            output_core_dims=[self.source.names],
            exclude_dims=set(self.source.dims),
            dask="parallelized",
            output_dtypes=[_real(variable.dtype)],
            dask_gufunc_kwargs={"output_sizes": dict(sizes)},
        )
        return result

    def of_block(self, block: np.ndarray) -> np.ndarray:
        """Return an array (..., dimensions of the source) on the target (..., lat, lon)."""
        leading = block.shape[: block.ndim - len(self.source.dims)]
        steps = block.reshape(math.prod(leading), self.source.grid.size)
        values = self.weights.apply(steps, _real(block.dtype))
        return values.reshape(*leading, *self.target.shape)

    def _in_blocks(self, variable: xr.Variable) -> xr.Variable:
        """Return a lazy variable in blocks of whole fields, as many as BLOCK_BYTES allow."""
        if variable.chunks is None:
            return variable
        # Loaded where there is a dask array already, but not by those who do without.
        from dask.array.core import normalize_chunks  # noqa: PLC0415

        others = [dim for dim in variable.dims if dim not in self.source.dims]
        fields = max(1, BLOCK_BYTES // (8 * max(self.source.grid.size, self.target.size)))
        chunks = normalize_chunks(
            ("auto",) * len(others),
            tuple(variable.sizes[dim] for dim in others),
            limit=fields,
            dtype=np.dtype(np.int8),
            previous_chunks=tuple(variable.chunksizes[dim] for dim in others),
        )
        whole: dict[Any, Any] = dict.fromkeys(self.source.dims, -1)
        return variable.chunk({**whole, **dict(zip(others, chunks, strict=True))})


def _real(dtype: np.dtype) -> np.dtype:
    return dtype if dtype.kind == "f" else np.dtype(np.float64)


def _check(variable: xr.Variable, name: str, source: Horizontal) -> None:
    if variable.dtype.kind not in "iufb":
        raise InvalidInput(f"variable {name!r} holds no numbers", locator="operation")
    if missing := [dim for dim in source.dims if dim not in variable.dims]:
        raise InvalidInput(
            f"variable {name!r} has no axis {missing[0]!r}; regridding needs {source.listed}",
            locator="operation",
        )


def _order(variable: xr.Variable, source: Horizontal) -> list[Any]:
    """Return the dimensions of the result, those of the grid where the first of them was."""
    place = min(variable.dims.index(dim) for dim in source.dims)
    after = [dim for dim in variable.dims[place:] if dim not in source.dims]
    return [*variable.dims[:place], *source.names, *after]
