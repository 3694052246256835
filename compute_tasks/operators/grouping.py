"""Data sorted into bins of an axis or a variable, waiting to be reduced."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.operators.conditions import keep

Reduce = Callable[[xr.Dataset, Sequence[str]], xr.Dataset]


@dataclass(frozen=True, slots=True)
class Grouped:
    """A dataset and the bins its points belong to.

    `by` holds the numbers that are binned, on some of the dataset's dimensions; a point belongs to
    the bin with edges[i] < by <= edges[i + 1]. `name` is what is binned, for naming the bin axis.
    """

    dataset: xr.Dataset
    by: xr.DataArray
    name: str
    edges: tuple[float, ...]

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The dimensions along which points are sorted into bins."""
        return tuple(map(str, self.by.dims))

    def reduce(self, function: Reduce, dimensions: Sequence[str] = ()) -> xr.Dataset:
        """Return the results of every bin along a leading axis `<name>_bins`.

        `function` gets the points of one bin and the dimensions to reduce: those that are binned
        and the given ones. The new axis has the middles of the bins as coordinate, and bounds. A
        bin without points gets what the function makes of missing values only.
        """
        over = self.reduced_dimensions(dimensions)
        results = [function(part, over) for part in self._parts()]
        joined = xr.concat(
            results, self._index(), data_vars="all", coords="minimal", compat="override",
            join="override", combine_attrs="override",
        )  # fmt: skip
        return self._bounded(joined)

    def reduced_dimensions(self, dimensions: Sequence[str]) -> tuple[str, ...]:
        """Return the dimensions that are binned, and the given ones."""
        return tuple(dict.fromkeys((*self.dimensions, *dimensions)))

    def labels(self) -> np.ndarray | None:
        """Return for each point of a binned axis the number of its bin, -1 for none.

        None where the points of a variable are binned.
        """
        if self.by.ndim != 1 or not isinstance(self.by.variable.data, np.ndarray):
            return None
        found = np.searchsorted(self.edges, self.by.values, side="left") - 1
        return np.where(self.by.values <= self.edges[-1], found, -1)

    def along_bins(self, reduced: xr.Dataset) -> xr.Dataset:
        """Return a dataset that has the bins in place of the binned axis as `reduce` gives it."""
        index = self._index()
        named = {
            name: variable.transpose(self.dimensions[0], ...)
            for name, variable in reduced.data_vars.items()
        }
        result = reduced.assign(named).rename_dims({self.dimensions[0]: str(index.name)})
        return self._bounded(result.assign_coords({str(index.name): index}))

    def _bounded(self, dataset: xr.Dataset) -> xr.Dataset:
        label = f"{self.name}_bins"
        dataset[label].encoding["bounds"] = f"{label}_bnds"
        bounds = np.column_stack([self.edges[:-1], self.edges[1:]])
        return dataset.assign_coords({f"{label}_bnds": ((label, "bnds"), bounds)})

    def _index(self) -> xr.IndexVariable:
        axis = self._axis()
        return xr.IndexVariable(str(axis.name), axis.values, axis.attrs)

    def _axis(self) -> xr.DataArray:
        label = f"{self.name}_bins"
        middles = (np.asarray(self.edges[:-1]) + np.asarray(self.edges[1:])) / 2
        known = {**self.by.attrs, **self.by.encoding}
        attributes = {key: known[key] for key in ("units", "calendar") if key in known}
        attributes["long_name"] = f"bins of {self.name}"
        return xr.DataArray(middles, dims=label, name=label, attrs=attributes)

    def _parts(self) -> Iterator[xr.Dataset]:
        """Yield each bin: its points along a binned axis, else all with the others missing."""
        for low, high in zip(self.edges[:-1], self.edges[1:], strict=True):
            members = (self.by > low) & (self.by <= high)
            if self.by.ndim == 1 and isinstance(members.data, np.ndarray):
                yield self._picked(np.flatnonzero(members.data))
            else:
                yield keep(self.dataset, members)

    def _picked(self, positions: np.ndarray) -> xr.Dataset:
        dimension = self.dimensions[0]
        if positions.size:
            return self.dataset.isel({dimension: positions})
        nothing = self.dataset.isel({dimension: [0]})
        return keep(nothing, xr.zeros_like(nothing[dimension], dtype=bool))
