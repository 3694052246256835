"""The requests of the demonstration: a mean over time and one over space, in one workflow."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cf_xarray  # noqa: F401  (gives datasets their CF roles)
import xarray as xr
from owslib.wps import ComplexDataInput

from compute.demo.archive import MODEL

YEARS = ("1992", "1997")
BOX = {"lat": (10.0, 75.0), "lon": (-60.0, 60.0)}
IDENTIFIER = "CDAT.workflow"

Json = list[dict[str, Any]]


@dataclass(frozen=True)
class Request:
    """What to compute: `files` of `variable`, within a box and years, averaged in one or two ways.

    `means` maps the name of an operation to the dimensions it averages over.
    """

    title: str
    variable: str
    files: tuple[str, ...]
    means: dict[str, tuple[str, ...]]
    box: dict[str, tuple[float, float]]
    years: tuple[str, str] | None = None

    @property
    def variables(self) -> Json:
        """The `variable` input."""
        return [
            {"uri": uri, "id": f"{self.variable}|file{number}", "mime_type": "application/netcdf"}
            for number, uri in enumerate(self.files)
        ]

    @property
    def domains(self) -> Json:
        """The `domain` input."""
        dimensions = {
            name: {"start": low, "end": high, "crs": "values"}
            for name, (low, high) in self.box.items()
        }
        if self.years:
            start, end = self.years
            dimensions["time"] = {"start": start, "end": end, "crs": "timestamps"}
        return [{"id": "part", **dimensions}] if dimensions else []

    @property
    def operations(self) -> Json:
        """The `operation` input."""
        source = [variable["id"].split("|")[1] for variable in self.variables]
        steps: Json = []
        if len(source) > 1:
            steps.append({"name": "CDAT.aggregate", "result": "whole", "input": source})
            source = ["whole"]
        if self.domains:
            steps.append(
                {"name": "CDAT.subset", "result": "chosen", "input": source, "domain": "part"}
            )
            source = ["chosen"]
        for name, axes in self.means.items():
            steps.append(
                {"name": "CDAT.mean", "result": name, "input": source, "axes": "|".join(axes)}
            )
        steps.append({"name": IDENTIFIER, "result": "all", "input": list(self.means)})
        return steps

    def inputs(self) -> list[tuple[str, ComplexDataInput]]:
        """Return the three inputs as OWSLib takes them."""
        values = {
            "variable": self.variables,
            "domain": self.domains,
            "operation": self.operations,
        }
        return [
            (name, ComplexDataInput(json.dumps(value), mimeType="application/json"))
            for name, value in values.items()
        ]


def archive_request(files: Sequence[Path]) -> Request:
    """Ask for the temperature of a region in six years that lie in three files."""
    return Request(
        title=f"{MODEL}, {_place(BOX)}, {YEARS[0]}-{YEARS[1]}",
        variable="tas",
        files=tuple(str(path) for path in files if path.name.startswith("tas_day")),
        means={"series": ("lat", "lon"), "map": ("time",)},
        box=BOX,
        years=YEARS,
    )


def _place(box: dict[str, tuple[float, float]]) -> str:
    return ", ".join(f"{name} {low:g}..{high:g}" for name, (low, high) in box.items())


def own_request(source: str, variable: str) -> Request:
    """Ask for means of one variable of any file, over the dimensions it happens to have.

    Raises ValueError for a file that is not NetCDF, and naming the variables there are.
    """
    with _opened(source) as data:
        if variable not in data.data_vars:
            names = ", ".join(str(name) for name in data.data_vars)
            raise ValueError(f"{source} has no variable {variable!r}; there are {names}")
        array = data[variable]
        dims = tuple(str(dim) for dim in array.dims)
        if not dims:
            raise ValueError(f"{variable} in {source} is a single number: nothing to average")
        time = _time_dimension(array)
    others = tuple(dim for dim in dims if dim != time)
    means = {"map": (time,), "series": others} if time and others else {"mean": dims}
    return Request(title=Path(source).name, variable=variable, files=(source,), means=means, box={})


def _opened(source: str) -> xr.Dataset:
    try:
        return xr.open_dataset(source, decode_times=False)
    except ValueError as error:
        # The text of xarray is about its engines.
        raise ValueError(f"{source} is not NetCDF") from error


def _time_dimension(array: xr.DataArray) -> str | None:
    named = array.cf.axes.get("T", []) + array.cf.coordinates.get("time", [])
    return next((str(dim) for dim in array.dims if dim in named or dim == "time"), None)
