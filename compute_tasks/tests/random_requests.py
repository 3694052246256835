"""Random requests on random files, run and compared."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from hypothesis import strategies as st

from compute_tasks.document import parse
from compute_tasks.errors import TaskError
from compute_tasks.plan import build
from compute_tasks.run import run
from compute_tasks.sources import SourcePolicy, remembered, stored
from compute_tasks.tests import data
from compute_tasks.tests.seeded import one_of, seeded, some_of

CFTIME = xr.coders.CFDatetimeCoder(use_cftime=True)
CHANGING = ("history", "creation_date")
STATISTICS = ("mean", "max", "min", "sum", "std", "var")
Operation = dict[str, Any]
File = tuple[xr.Dataset, dict[str, Any]]


@dataclass
class Request:
    """The files of an input, and the operations and the domain of a request on them."""

    files: list[File]
    operations: list[Operation]
    domain: dict[str, Any]


def written(folder: Path, files: list[File]) -> list[Path]:
    return [data.write(d, folder / f"{n}.nc", **e) for n, (d, e) in enumerate(files)]


def computed(folder: Path, paths: list[Path], request: Request, **options: Any) -> Any:
    """Return what a run writes, or the error it ends with."""
    texts = {
        "variable": json.dumps([{"uri": str(p), "id": f"tas|v{n}"} for n, p in enumerate(paths)]),
        "domain": json.dumps([{"id": "d", **request.domain}]),
        "operation": json.dumps(request.operations),
    }
    try:
        [output] = run(
            build(parse(request.operations[-1]["name"], **texts)),
            workspace=folder / "workspace",
            destination=folder / "out",
            uid="run",
            provenance={},
            report=lambda percent, message: None,
            **{
                "sources": SourcePolicy(roots=(folder,)),
                "threads": 2,
                "cancelled": lambda: False,
                **options,
            },
        )
    except TaskError as error:
        return type(error), error.locator, error.message
    with xr.open_dataset(output.path, decode_times=CFTIME, decode_coords="all") as opened:
        return opened.load()


@contextmanager
def by_dask() -> Iterator[None]:
    """Leave every file to the library, and so every process to xarray and dask."""

    def refuse(*_: Any, **__: Any) -> None:
        raise stored.LeftToLibraryError("as the test wants it")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stored, "field", refuse)
        patch.setattr(remembered, "recall", lambda *_: None)
        yield


def assert_same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, tuple) or isinstance(found, tuple):
        assert found == wanted
        return
    for dataset in (found, wanted):
        dataset.attrs = {k: v for k, v in dataset.attrs.items() if k not in CHANGING}
    assert found.attrs == wanted.attrs
    assert set(found.variables) == set(wanted.variables)
    for name, variable in wanted.variables.items():
        other = found.variables[name]
        assert (other.dims, other.dtype) == (variable.dims, variable.dtype), name
        assert other.attrs == variable.attrs, name
        if name in wanted.data_vars and variable.dtype.kind == "f":
            size = float(np.nanmax(np.abs(wanted[name].values), initial=1))
            close = {"rtol": 1e-6, "atol": 2e-7 * size}
            np.testing.assert_allclose(other.values, variable.values, **close, err_msg=str(name))
        else:
            np.testing.assert_array_equal(other.values, variable.values, err_msg=str(name))


def requests() -> st.SearchStrategy[Request]:
    """Return files, a chain of operations on points, and a last operation."""
    return seeded(some_request)


def some_files(random: np.random.Generator) -> list[File]:
    """Return one to three files that follow on each other, and how they are stored."""
    calendar = one_of(random, ["noleap", "360_day", "standard", "julian"])
    nlat, nlon = int(random.integers(2, 6)), int(random.integers(2, 13))
    options = {"nlat": nlat, "nlon": nlon, "lon_start": one_of(random, [0.0, -180.0])}
    descending, share = bool(random.integers(2)), one_of(random, [0.0, 0.02, 0.2, 0.97])
    packed = one_of(random, [None, None, "i2", "f8"])
    files = []
    for year in range(random.integers(1, 4)):
        dataset = data.tas((2000 + year,), calendar, descending=descending, **options)
        values = dataset.tas.values + random.normal(0, 20, dataset.tas.shape)
        values[random.random(values.shape) < share] = np.nan
        dataset["tas"] = dataset.tas.copy(data=values.astype("f4"))
        files.append((dataset, some_encoding(random, dataset.tas.shape, packed)))
    return files


def some_encoding(
    random: np.random.Generator, shape: tuple[int, ...], packed: str | None
) -> dict[str, Any]:
    """Return the format, chunks, filters and packing of a variable."""
    result: dict[str, Any] = {}
    if packed == "i2":
        fills = {"_FillValue": np.int16(-999), "missing_value": np.int16(-999)}
        result |= fills | {"dtype": "i2", "scale_factor": np.float32(0.25), "add_offset": 200.0}
    elif packed:
        result |= {"_FillValue": 1e20, "missing_value": 1e20, "dtype": packed}
    if random.random() < 0.25:
        return result | {"format": "NETCDF3_64BIT_OFFSET"}
    if random.random() < 0.7:
        result["chunksizes"] = tuple(int(random.integers(1, length + 1)) for length in shape)
        result["zlib"], result["shuffle"] = bool(random.integers(2)), bool(random.integers(2))
    return result


AXES: dict[str, list[dict[str, Any]]] = {
    "lat": [{"start": -60, "end": 50}, {"start": 1, "end": 3, "crs": "indices"}],
    "lon": [
        {"start": -80, "end": 100},
        {"start": 300, "end": 90},
        {"start": 0, "end": 0},
        {"start": 0, "end": 7, "step": 2, "crs": "indices"},
    ],
    "time": [
        {"start": "2000-03", "end": "2001-02", "crs": "timestamps"},
        {"start": 2, "end": 30, "step": 3, "crs": "indices"},
        {"start": 5, "end": 5, "crs": "indices"},
    ],
}
"""Parts of axes: values, dates, positions with steps, single points, across the seam."""


def some_domain(random: np.random.Generator) -> dict[str, Any]:
    """Return parts of some axes."""
    return {name: one_of(random, some) for name, some in AXES.items() if random.random() < 0.5}


def some_request(random: np.random.Generator) -> Request:
    """Return files and a request on them."""
    files = some_files(random)
    operations: list[Operation] = []
    last = "v0"
    if len(files) > 1:
        names = [f"v{n}" for n in random.permutation(len(files))]
        operations.append({"name": "CDAT.aggregate", "result": "a", "input": names})
        last = "a"
    for number in range(random.integers(3)):
        operations.append({**one_of(random, POINTWISE), "result": f"p{number}", "input": [last]})
        last = f"p{number}"
    operations.append({**some_ending(random), "result": "r", "input": [last]})
    domain = some_domain(random)
    if domain:
        one_of(random, operations)["domain"] = "d"
    if random.random() < 0.15:
        gridder = {"tool": "regrid2", "grid": "uniform~60x90", "method": "conservative"}
        operations[-1]["gridder"] = gridder
    return Request(files, operations, domain)


POINTWISE: list[Mapping[str, Any]] = [
    {"name": "CDAT.abs"},
    {"name": "CDAT.sqrt"},
    {"name": "CDAT.log"},
    {"name": "CDAT.subtract", "const": "273.15"},
    {"name": "CDAT.divide", "const": "3"},
    {"name": "CDAT.where", "cond": "tas>205"},
    {"name": "CDAT.where", "cond": "lat>=-20", "other": "1.5"},
    {"name": "CDAT.where", "cond": "isnull(tas)", "other": "7"},
    {"name": "CDAT.subset", "fillna": "-5"},
    {"name": "CDAT.squeeze"},
]


def some_ending(random: np.random.Generator) -> Operation:
    """Return an operation that reduces, or one whose result is as large as its input."""
    axes = "|".join(some_of(random, ["time", "lat", "lon"]))
    frequency = one_of(random, ["month", "season", "year"])
    weights = one_of(random, ["length", "none"])
    return dict(
        one_of(
            random,
            [
                *({"name": f"CDAT.{name}", "axes": axes} for name in STATISTICS),
                {"name": "CDAT.count"},
                {"name": "CDAT.average", "axes": axes},
                {"name": "CDAT.average", "axes": "lat", "weights": "cos"},
                {"name": "CDAT.temporal_mean", "freq": frequency, "weights": weights},
                {"name": "CDAT.climatology", "freq": "season", "incomplete": "drop"},
                {"name": "CDAT.climatology", "freq": "month", "weights": weights},
                {"name": "CDAT.anomaly", "freq": "month", "weights": weights},
                {"name": "CDAT.filter_map", "func": "max", "cond": "tas<230"},
                {"name": "CDAT.percentile", "q": "30", "axes": "time"},
                {"name": "CDAT.subset"},
                {"name": "CDAT.exp"},
            ],
        )
    )
