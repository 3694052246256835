"""What the clients ask for: jobs of different sizes, and what each gives when undisturbed."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import xarray as xr

from compute.demo.archive import make_archive
from compute.soak.long import make_long
from compute.testing.client import texts
from compute_tasks import document, plan
from compute_tasks.run import run
from compute_tasks.sources.policy import SourcePolicy

BANDS = ((-90.0, -30.0), (-30.0, 30.0), (30.0, 90.0))
"""Degrees of latitude; the same work on each of them is a request of its own."""

Data = dict[str, tuple[tuple[str, ...], str, bytes]]
"""Dimensions, type and bytes by the name of a variable."""


@dataclass(frozen=True)
class Work:
    """One request: its process and inputs; `fails` if it is one that has to."""

    name: str
    process: str
    inputs: dict[str, str]
    fails: bool = False


class Mix:
    """Requests on the demonstration's archive, in the order they are sent, for ever again."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        self.files = [str(path) for path in make_archive(archive)]
        self.long = make_long(archive)

    @cached_property
    def works(self) -> list[Work]:
        """Every request there is, the large ones far apart."""
        return [work for band in BANDS for work in self._band(band)]

    def stream(self) -> Callable[[], Work]:
        """Return a function that gives the next request."""
        return itertools.cycle(self.works).__next__

    def undisturbed(self, work: Work, folder: Path) -> Data:
        """Compute the request in this process and return its numbers."""
        built = plan.build(document.parse(work.process, **work.inputs))
        (written,) = run(
            built,
            sources=SourcePolicy(roots=(self.archive,)),
            workspace=folder,
            destination=folder,
            uid="undisturbed",
            provenance={},
            report=lambda percent, message: None,
            cancelled=lambda: False,
        )
        return data(written.path)

    def _band(self, band: tuple[float, float]) -> list[Work]:
        south, north = band
        domain = {"lat": {"start": south, "end": north, "crs": "values"}}
        name = f"{south:g}..{north:g}"
        first, *_, rain, profile = self.files
        small = texts(rain, "pr", "CDAT.mean", axes="lat|lon", domain=domain)
        cut = texts(profile, "ta", "CDAT.subset", domain=domain)
        year = texts(first, "tas", "CDAT.mean", axes="time", domain=domain)
        missing = texts(str(self.archive / "missing.nc"), "tas", "CDAT.mean", axes="time")
        return [
            Work(f"small {name}", "CDAT.mean", small),
            Work(f"cut {name}", "CDAT.subset", cut),
            Work(f"small max {name}", "CDAT.max", _renamed(small, "CDAT.max")),
            Work(f"years {name}", "CDAT.mean", year),
            Work(f"missing {name}", "CDAT.mean", missing, fails=True),
            Work(
                f"cut rain {name}", "CDAT.subset", texts(rain, "pr", "CDAT.subset", domain=domain)
            ),
            Work(f"large {name}", "CDAT.workflow", self._large(domain)),
            *self._long(name, domain),
        ]

    def _long(self, name: str, domain: dict[str, Any]) -> list[Work]:
        """Return requests that take long enough to be cut off in the middle and to have parts."""
        period = {"time": {"start": 0, "end": 900, "crs": "indices"}}
        cut = texts(self.long, "tas", "CDAT.subset", domain=domain | period)
        years = texts(self.long, "tas", "CDAT.mean", axes="time", domain=domain)
        spread = texts(self.long, "tas", "CDAT.std", axes="time|lat|lon", domain=domain)
        return [
            Work(f"long cut {name}", "CDAT.subset", cut),
            Work(f"long mean {name}", "CDAT.mean", years),
            Work(f"long spread {name}", "CDAT.std", spread),
        ]

    def _large(self, domain: dict[str, Any]) -> dict[str, str]:
        names = [f"v{number}" for number in range(3)]
        variables = [
            {"uri": uri, "id": f"tas|{name}"} for uri, name in zip(self.files, names, strict=False)
        ]
        steps = [
            {"name": "CDAT.aggregate", "result": "whole", "input": names},
            {"name": "CDAT.subset", "result": "part", "input": ["whole"], "domain": "d0"},
            {"name": "CDAT.std", "result": "spread", "input": ["part"], "axes": "time"},
            {"name": "CDAT.workflow", "result": "all", "input": ["spread"]},
        ]
        return {
            "variable": json.dumps(variables),
            "domain": json.dumps([{"id": "d0", **domain}]),
            "operation": json.dumps(steps),
        }


def data(path: Path) -> Data:
    """Return the numbers of a file, bit for bit, as they are stored."""
    with xr.open_dataset(path, decode_cf=False) as stored:
        return {
            str(name): (
                tuple(map(str, array.dims)),
                str(array.dtype),
                array.to_numpy().tobytes(),
            )
            for name, array in stored.variables.items()
        }


def _renamed(inputs: dict[str, str], process: str) -> dict[str, str]:
    operation = [entry | {"name": process} for entry in json.loads(inputs["operation"])]
    return inputs | {"operation": json.dumps(operation)}
