"""One case with xarray and dask, in a process of its own, tuned as their users do at best.

    python -m compute_tasks.benchmarks.with_xarray CASE OUTPUT --folder build/benchmarks --years 30

Files are opened lazily in blocks of about 80 MB and joined without comparing coordinates, outputs
are written with chunks of one step.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from compute_tasks.benchmarks.case import Case
from compute_tasks.benchmarks.cases import cases
from compute_tasks.benchmarks.weights import conservative

BLOCK_STEPS = {"tas": 365, "ta": 12}


def main() -> None:
    """Read the options, compute the case and write its result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case")
    parser.add_argument("output", type=Path)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--years", type=int, required=True)
    options = parser.parse_args()
    found = {case.name: case for case in cases(options.folder, options.years)}
    case = found[options.case]
    _write(_computed(case, _opened(case)), case, options.output)


def _opened(case: Case) -> xr.Dataset:
    return xr.open_mfdataset(
        case.files,
        engine="netcdf4",
        combine="nested",
        concat_dim="time",
        chunks={"time": BLOCK_STEPS[case.variable]},
        data_vars="minimal",
        coords="minimal",
        compat="override",
    )


def _computed(case: Case, dataset: xr.Dataset) -> xr.DataArray:
    values = dataset[case.variable]
    if case.domain:
        values = values.sel(
            {axis: slice(part["start"], part["end"]) for axis, part in case.domain.items()}
        )
    result: xr.DataArray = OPERATIONS[case.operations[-1]["name"]](values, dataset, case)
    return result.astype("f4")


def _area_mean(values: xr.DataArray, dataset: xr.Dataset, case: Case) -> xr.DataArray:
    edges = np.sin(np.deg2rad(dataset["lat_bnds"].values))
    weights = xr.DataArray(edges[:, 1] - edges[:, 0], dims="lat", coords={"lat": values["lat"]})
    return values.weighted(weights).mean(("lat", "lon"))


def _over_time(name: str, values: xr.DataArray, *_: Any) -> xr.DataArray:
    result: xr.DataArray = getattr(values, name)("time")
    return result


def _seasons(values: xr.DataArray, *_: Any) -> xr.DataArray:
    return values.resample(time="QS-DEC").mean()


def _anomaly(values: xr.DataArray, *_: Any) -> xr.DataArray:
    months = values.groupby("time.month")
    return months - months.mean()


def _regridded(values: xr.DataArray, dataset: xr.Dataset, case: Case) -> xr.DataArray:
    step = case.grid or 1.0
    weights = conservative(values.sizes["lat"], values.sizes["lon"], step)
    shape = (round(180 / step), round(360 / step))

    def apply(block: np.ndarray) -> np.ndarray:
        return (weights @ block.reshape(len(block), -1).T).T.reshape(len(block), *shape)

    return xr.apply_ufunc(
        apply,
        values,
        input_core_dims=[["lat", "lon"]],
        output_core_dims=[["y", "x"]],
        dask="parallelized",
        output_dtypes=["f4"],
        dask_gufunc_kwargs={"output_sizes": dict(zip(("y", "x"), shape, strict=True))},
    )


OPERATIONS: dict[str, Callable[..., xr.DataArray]] = {
    "CDAT.average": _area_mean,
    "CDAT.mean": partial(_over_time, "mean"),
    "CDAT.max": partial(_over_time, "max"),
    "CDAT.std": partial(_over_time, "std"),
    "CDAT.temporal_mean": _seasons,
    "CDAT.subset": lambda values, *_: values,
    "CDAT.anomaly": _anomaly,
    "CDAT.regrid": _regridded,
}


def _write(result: xr.DataArray, case: Case, output: Path) -> None:
    result.encoding = {}
    encoding: dict[str, Any] = {}
    version: Any = "NETCDF4"
    if not case.compresses:
        version = "NETCDF3_64BIT"
    elif result.ndim > 2:
        encoding = {"zlib": True, "complevel": 1, "shuffle": True}
        encoding["chunksizes"] = (1, *result.shape[1:])
    result.to_dataset(name=case.variable).to_netcdf(
        output, format=version, engine="netcdf4", encoding={case.variable: encoding}
    )


if __name__ == "__main__":
    main()
