"""Small CMIP-like datasets for tests, as xarray objects and as NetCDF files.

The values follow from their place (`field`), so that a test can say what it expects. The datasets
look as `open_source` gives them: bounds are coordinates, named by the encoding of their axis. The
attributes are those of CMIP6; times count from a reference date in the calendar asked for.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
import xarray as xr

FILL = np.float32(1e20)
TIME_UNITS = "days since 1850-01-01"


def bounds(centres: np.ndarray, low: float | None = None, high: float | None = None) -> np.ndarray:
    """Return (n, 2) cell edges halfway between evenly spaced centres, cut to low..high."""
    half = (centres[1] - centres[0]) / 2 if len(centres) > 1 else 0.5
    edges = np.stack([centres - half, centres + half], axis=1)
    return edges if low is None else np.clip(edges, low, high)


def latitudes(count: int = 6, descending: bool = False) -> xr.Dataset:
    """Return cell-centred latitudes with bounds, from south to north unless descending."""
    step = 180 / count
    lat = -90 + step / 2 + step * np.arange(count)
    lat = lat[::-1] if descending else lat
    attributes = _axis("latitude", "degrees_north", "Y")
    return _bounded("lat", lat, bounds(lat, -90, 90), attributes)


def longitudes(count: int = 8, start: float = 0.0) -> xr.Dataset:
    """Return longitudes with bounds, `count` cells from `start` round the globe."""
    lon = start + 360 / count * np.arange(count)
    return _bounded("lon", lon, bounds(lon), _axis("longitude", "degrees_east", "X"))


def times(
    years: Sequence[int],
    calendar: str = "noleap",
    frequency: str = "month",
    units: str = TIME_UNITS,
) -> xr.Dataset:
    """Return the middle of each month (or day) of the years with bounds, decoded to cftime."""
    starts, ends = zip(*_intervals(years, calendar, frequency), strict=True)
    edges = np.stack([np.array(starts), np.array(ends)], axis=1)
    centres = np.array([start + (end - start) / 2 for start, end in edges])
    attributes = {"standard_name": "time", "long_name": "time", "axis": "T"}
    encoding = {"units": units, "calendar": calendar, "dtype": "float64"}
    return _bounded("time", centres, edges, attributes, encoding)


def field(shape: tuple[int, ...]) -> np.ndarray:
    """Return float32 values of that shape: 200 and an eighth for each place in C order."""
    return (200 + np.arange(np.prod(shape, dtype=int)).reshape(shape) / 8).astype("float32")


def tas(
    years: Sequence[int] = (2000, 2001),
    calendar: str = "noleap",
    *,
    frequency: str = "month",
    nlat: int = 6,
    nlon: int = 8,
    descending: bool = False,
    lon_start: float = 0.0,
    missing: bool = False,
    units: str = TIME_UNITS,
) -> xr.Dataset:
    """Return near-surface air temperature in K on (time, lat, lon).

    `missing` makes the first cell of every time and the whole of the first time missing.
    """
    time = times(years, calendar, frequency, units)
    grid = xr.merge([time, latitudes(nlat, descending), longitudes(nlon, lon_start)])
    return _with_variable(grid, "tas", ("time", "lat", "lon"), _TAS, missing).assign_coords(
        height=((), 2.0, _axis("height", "m", "Z") | {"positive": "up"})
    )


def pr(
    years: Sequence[int] = (2000, 2001), calendar: str = "noleap", **options: object
) -> xr.Dataset:
    """Return precipitation in kg m-2 s-1 on the grid of `tas`, with the same options."""
    dataset = tas(years, calendar, **options).drop_vars("height")  # type: ignore[arg-type]
    rain = (dataset.tas - 200) * np.float32(1e-6)
    rain.attrs, rain.encoding = dict(_PR), dict(dataset.tas.encoding)
    attributes = dataset.attrs | {"variable_id": "pr"}
    return dataset.drop_vars("tas").assign(pr=rain).assign_attrs(attributes)


def ta(
    years: Sequence[int] = (2000,),
    calendar: str = "noleap",
    levels: Sequence[float] = (100000.0, 85000.0, 50000.0),
    *,
    nlat: int = 6,
    nlon: int = 8,
    missing: bool = False,
) -> xr.Dataset:
    """Return air temperature in K on (time, plev, lat, lon); plev in Pa, downwards in value."""
    grid = xr.merge([times(years, calendar), latitudes(nlat), longitudes(nlon)])
    plev = np.array(levels, "float64")
    grid = grid.assign_coords(
        plev=("plev", plev, _axis("air_pressure", "Pa", "Z") | {"positive": "down"})
    )
    attributes = _TAS | {"standard_name": "air_temperature", "long_name": "Air Temperature"}
    return _with_variable(grid, "ta", ("time", "plev", "lat", "lon"), attributes, missing)


def sftlf(nlat: int = 6, nlon: int = 8) -> xr.Dataset:
    """Return the land fraction in percent on (lat, lon): 0 in the west, 100 in the east half."""
    grid = xr.merge([latitudes(nlat), longitudes(nlon)])
    values = np.zeros((nlat, nlon), "float32")
    values[:, nlon // 2 :] = 100
    attributes = {"standard_name": "land_area_fraction", "units": "%", "long_name": "Land"}
    encoding = {"_FillValue": FILL, "dtype": "float32"}
    grid["sftlf"] = (("lat", "lon"), values, attributes, encoding)
    return grid.assign_attrs(_GLOBAL | {"variable_id": "sftlf", "table_id": "fx"})


def write(dataset: xr.Dataset, path: Path, *, format: str = "NETCDF4", **encoding: object) -> Path:
    """Write the dataset as NetCDF; `encoding` is added to that of the data variables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset = dataset.copy()
    for name, variable in dataset.variables.items():
        if name in dataset.data_vars:
            variable.encoding |= encoding
        elif variable.dtype.kind in "fO":
            variable.encoding["_FillValue"] = None
    unlimited = ["time"] if "time" in dataset.dims else []
    dataset.to_netcdf(path, engine="netcdf4", format=format, unlimited_dims=unlimited)  # type: ignore[arg-type]
    return path


def tas_files(folder: Path, years: Sequence[Sequence[int]], **options: object) -> list[Path]:
    """Write one `tas` file for each group of years, named as CMIP6 does, and return the paths."""
    return [
        write(
            tas(group, **options),  # type: ignore[arg-type]
            folder / f"tas_Amon_TEST_historical_r1i1p1f1_gn_{group[0]}01-{group[-1]}12.nc",
        )
        for group in years
    ]


def _axis(name: str, units: str, axis: str) -> dict[str, str]:
    return {"standard_name": name, "long_name": name, "units": units, "axis": axis}


def _bounded(
    name: str,
    centres: np.ndarray,
    edges: np.ndarray,
    attributes: dict[str, str],
    encoding: Mapping[str, object] = MappingProxyType({}),
) -> xr.Dataset:
    centre = (name, centres, attributes, {**encoding, "bounds": f"{name}_bnds"})
    edge = ((name, "bnds"), edges, {}, {**encoding, "coordinates": None})
    return xr.Dataset(coords={name: centre, f"{name}_bnds": edge})


def _intervals(years: Sequence[int], calendar: str, frequency: str) -> list[tuple[object, object]]:
    step = {"month": "MS", "day": "D"}[frequency]
    result: list[tuple[object, object]] = []
    for year in years:
        edges = xr.date_range(
            f"{year:04d}-01-01",
            f"{year + 1:04d}-01-01",
            freq=step,
            calendar=calendar,
            use_cftime=True,
        )
        result += itertools.pairwise(edges)
    return result


def _with_variable(
    grid: xr.Dataset,
    name: str,
    dims: tuple[str, ...],
    attributes: dict[str, str],
    missing: bool,
) -> xr.Dataset:
    values = field(tuple(grid.sizes[dim] for dim in dims))
    if missing:
        values[0] = np.nan
        values[(..., *(0 for _ in dims[1:]))] = np.nan
    encoding = {"_FillValue": FILL, "missing_value": FILL, "dtype": "float32"}
    grid[name] = (dims, values, dict(attributes), encoding)
    return grid.assign_attrs(_GLOBAL | {"variable_id": name, "table_id": "Amon"})


_TAS = {
    "standard_name": "air_temperature",
    "long_name": "Near-Surface Air Temperature",
    "units": "K",
    "cell_methods": "area: time: mean",
    "cell_measures": "area: areacella",
}
_PR = {
    "standard_name": "precipitation_flux",
    "long_name": "Precipitation",
    "units": "kg m-2 s-1",
    "cell_methods": "area: time: mean",
    "cell_measures": "area: areacella",
}
_GLOBAL = {
    "Conventions": "CF-1.7 CMIP-6.2",
    "activity_id": "CMIP",
    "experiment_id": "historical",
    "external_variables": "areacella",
    "frequency": "mon",
    "grid_label": "gn",
    "institution_id": "TEST",
    "mip_era": "CMIP6",
    "source_id": "TEST-1-0",
    "title": "TEST-1-0 output prepared for tests",
    "tracking_id": "hdl:21.14100/00000000-0000-4000-8000-000000000001",
    "variant_label": "r1i1p1f1",
}
