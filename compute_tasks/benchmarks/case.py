"""One computation that is measured, in the words of every tool, and what it must reach."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
MEGABYTE = 10**6


@dataclass(frozen=True, slots=True)
class Bars:
    """What a case must reach: times as fast as the peers, and at most so many floors."""

    warm: float
    cold: float | None = None
    floor: float | None = None
    warm_nco: float | None = None
    cold_nco: float | None = None
    peak: int = 300 * MEGABYTE


@dataclass(frozen=True, slots=True)
class Case:
    """One computation in the words of every tool.

    `operations` are those of our request, each on the one before, the first on all `files` joined;
    `cdo` and `nco` are the words between the tool's name and the output. `tolerance` is the
    largest difference to CDO, `grid` the degrees of a target grid. `steps` are the steps of time
    whose chunks are needed (all: None), `compresses` tells whether the result is deflated.
    """

    name: str
    title: str
    files: tuple[Path, ...]
    operations: tuple[Json, ...]
    cdo: tuple[str, ...]
    bars: Bars
    tolerance: float
    nco: tuple[str, ...] = ()
    domain: Json = field(default_factory=dict)
    variable: str = "tas"
    format: str = "netcdf4"
    steps: slice | None = None
    grid: float | None = None
    compresses: bool = True

    def request(self) -> Json:
        """Return the request as `compute run -f` reads it."""
        names = [f"v{number}" for number, _ in enumerate(self.files)]
        joined = [{"name": "CDAT.aggregate"}] if len(names) > 1 else []
        steps: list[Json] = [*joined, *self.operations]
        operations = []
        for number, step in enumerate(steps):
            operations.append({"result": f"op{number}", "input": names, **step})
            names = [f"op{number}"]
        return {
            "identifier": steps[-1]["name"],
            "variable": [
                {"uri": str(path), "id": f"{self.variable}|v{number}"}
                for number, path in enumerate(self.files)
            ],
            "domain": [{"id": "d", **self.domain}] if self.domain else [],
            "operation": operations,
        }
