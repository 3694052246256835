"""A small CMIP6-like archive: daily and monthly files as a modelling centre would publish them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from compute.demo.fields import DAYS_PER_YEAR, Field, Planet

MODEL = "DEMO-ESM1"
EXPERIMENT = "historical_r1i1p1f1_gn"
PERIODS = ((1990, 1992), (1993, 1995), (1996, 1998))
FILL = np.float32(1e20)
MONTHS = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
LEVELS = np.array([100000, 92500, 85000, 70000, 50000, 30000, 20000, 10000], "float64")
LAT: Field = -90 + 180 / 96 * (np.arange(96) + 0.5)
LON: Field = 360 / 144 * np.arange(144)

ATTRIBUTES = {
    "Conventions": "CF-1.7 CMIP-6.2",
    "activity_id": "CMIP",
    "experiment": "all-forcing simulation of the recent past",
    "experiment_id": "historical",
    "external_variables": "areacella",
    "grid": "made-up 96x144 latitude by longitude",
    "grid_label": "gn",
    "institution": "Nowhere in particular: made-up numbers to demonstrate with",
    "institution_id": "DEMO",
    "license": "CC0: no rights reserved",
    "mip_era": "CMIP6",
    "nominal_resolution": "250 km",
    "product": "model-output",
    "realm": "atmos",
    "source_id": MODEL,
    "source_type": "AOGCM",
    "title": f"{MODEL} output prepared for CMIP6",
    "variant_label": "r1i1p1f1",
}


@dataclass(frozen=True)
class Product:
    """One published variable: how it is called and how it is made from days since 1850."""

    name: str
    table: str
    attributes: dict[str, str]
    make: Callable[[Planet, np.ndarray], np.ndarray]
    levels: bool = False

    @property
    def frequency(self) -> str:
        """`day` or `mon`, as CMIP6 writes it."""
        return "day" if self.table == "day" else "mon"


TAS = Product(
    "tas",
    "day",
    {
        "standard_name": "air_temperature",
        "long_name": "Near-Surface Air Temperature",
        "units": "K",
        "cell_methods": "area: time: mean",
        "cell_measures": "area: areacella",
    },
    Planet.temperature,
)
PR = Product(
    "pr",
    "Amon",
    {
        "standard_name": "precipitation_flux",
        "long_name": "Precipitation",
        "units": "kg m-2 s-1",
        "cell_methods": "area: time: mean",
        "cell_measures": "area: areacella",
    },
    Planet.precipitation,
)
TA = Product(
    "ta",
    "Amon",
    {
        "standard_name": "air_temperature",
        "long_name": "Air Temperature",
        "units": "K",
        "cell_methods": "time: mean",
        "cell_measures": "area: areacella",
    },
    lambda planet, days: planet.profile(days, LEVELS),
    levels=True,
)


def make_archive(folder: Path) -> list[Path]:
    """Write the files that are not there yet and return all of them.

    Three files of daily `tas` (1990 to 1998), one of monthly `pr`, one of monthly `ta` on eight
    pressure levels that is missing inside mountains; calendar noleap.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = [(TAS, first, last) for first, last in PERIODS]
    wanted += [(PR, 1990, 1998), (TA, 1990, 1991)]
    planet = Planet(LAT, LON)
    return [_file(folder, planet, *one) for one in wanted]


def _file(folder: Path, planet: Planet, product: Product, first: int, last: int) -> Path:
    ends = ("0101", "1231") if product.frequency == "day" else ("01", "12")
    span = f"{first}{ends[0]}-{last}{ends[1]}"
    name = f"{product.name}_{product.table}_{MODEL}_{EXPERIMENT}_{span}.nc"
    path = folder / name
    if not path.exists():
        unfinished = path.with_suffix(".part")
        _write(dataset(planet, product, first, last), product, unfinished)
        unfinished.rename(path)
    return path


def dataset(planet: Planet, product: Product, first: int, last: int) -> xr.Dataset:
    """Return the product for the years first..last with coordinates, bounds and attributes."""
    edges = _time_edges(product.frequency, first, last)
    days = edges.mean(axis=1)
    identity = uuid.uuid5(uuid.NAMESPACE_DNS, f"{product.name} {first}")
    dims = ("time", "plev", "lat", "lon") if product.levels else ("time", "lat", "lon")
    result = xr.Dataset(
        {product.name: (dims, product.make(planet, days), product.attributes)},
        coords=_coordinates(days, edges) | (_levels() if product.levels else {}),
        attrs=ATTRIBUTES
        | {
            "frequency": product.frequency,
            "table_id": product.table,
            "variable_id": product.name,
            "tracking_id": f"hdl:21.14100/{identity}",
        },
    )
    if product is TAS:
        result["height"] = ((), 2.0, _axis("height", "m", "Z") | {"positive": "up"})
        result = result.set_coords("height")
    return result


def _time_edges(frequency: str, first: int, last: int) -> np.ndarray:
    starts = np.arange(DAYS_PER_YEAR) if frequency == "day" else MONTHS[:-1]
    ends = starts + 1 if frequency == "day" else MONTHS[1:]
    years = (np.arange(first, last + 1) - 1850) * DAYS_PER_YEAR
    edges = np.stack([starts, ends], axis=1) + years[:, None, None]
    return edges.reshape(-1, 2).astype("float64")


def _coordinates(days: np.ndarray, edges: np.ndarray) -> dict[str, tuple]:
    time = {"units": "days since 1850-01-01", "calendar": "noleap", "bounds": "time_bnds"}
    lat_edges = np.stack([LAT - 180 / 192, LAT + 180 / 192], axis=1)
    lon_edges = np.stack([LON - 360 / 288, LON + 360 / 288], axis=1)
    names = {"standard_name": "time", "long_name": "time", "axis": "T"}
    return {
        "time": ("time", days, names | time),
        "time_bnds": (("time", "bnds"), edges),
        "lat": ("lat", LAT, _axis("latitude", "degrees_north", "Y") | {"bounds": "lat_bnds"}),
        "lat_bnds": (("lat", "bnds"), lat_edges),
        "lon": ("lon", LON, _axis("longitude", "degrees_east", "X") | {"bounds": "lon_bnds"}),
        "lon_bnds": (("lon", "bnds"), lon_edges),
    }


def _levels() -> dict[str, tuple]:
    return {"plev": ("plev", LEVELS, _axis("air_pressure", "Pa", "Z") | {"positive": "down"})}


def _axis(standard_name: str, units: str, axis: str) -> dict[str, str]:
    return {
        "standard_name": standard_name,
        "long_name": standard_name.replace("_", " "),
        "units": units,
        "axis": axis,
    }


def _write(result: xr.Dataset, product: Product, path: Path) -> None:
    sizes = result[product.name].sizes
    encoding: dict[str, dict[str, object]] = {
        str(name): {"_FillValue": None} for name in result.coords
    }
    encoding[product.name] = {
        "_FillValue": FILL,
        "missing_value": FILL,
        "zlib": True,
        "complevel": 1,
        "shuffle": True,
        "significant_digits": 15,
        "quantize_mode": "BitRound",
        "chunksizes": tuple(1 if dim in ("time", "plev") else size for dim, size in sizes.items()),
    }
    # The marks of decoded coordinates would otherwise end up in the attribute `coordinates`.
    flat = result.reset_coords([f"{axis}_bnds" for axis in ("time", "lat", "lon")])
    flat.to_netcdf(path, engine="netcdf4", encoding=encoding, unlimited_dims=["time"])
