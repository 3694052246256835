"""One case measured: all tools in turns, round by round, and their results compared."""

import dataclasses
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from shutil import rmtree, which
from typing import Any

from compute_tasks.benchmarks.case import Case
from compute_tasks.benchmarks.children import TOOL, FailedError, Run, Standing, fresh

WARM, COLD, CDO, CDO2, NCO, XARRAY, FLOOR = (
    *("warm", "cold", "cdo", "cdo -P 2"),
    *("nco", "xarray+dask", "floor"),
)
WAYS = (WARM, COLD, CDO, CDO2, NCO, XARRAY, FLOOR)


@dataclass(frozen=True, slots=True)
class Measured:
    """The runs of each way, and how far our result is from CDO's (None: without CDO)."""

    case: Case
    runs: dict[str, list[Run]] = field(default_factory=dict)
    difference: float | None = None


@dataclass(frozen=True, slots=True)
class Bench:
    """How to measure: where the data are, how many rounds, which ways."""

    folder: Path
    years: int
    pairs: int
    ways: tuple[str, ...]

    @property
    def results(self) -> Path:
        """The folder of what the tools write."""
        return self.folder / "results"

    def measure(self, case: Case) -> Measured:
        """Run every way in turns; raises FailedError if one fails or the results disagree."""
        rmtree(self.results, ignore_errors=True)
        self.results.mkdir(parents=True)
        with ExitStack() as stack:
            ways = dict(self._ways(case, stack))
            runs: dict[str, list[Run]] = {name: [] for name in ways}
            difference = None
            for number in range(self.pairs + 1):
                for name, way in ways.items():
                    # The first round fills the caches and makes what the floor writes again.
                    if number == 0 and name not in (WARM, CDO, FLOOR):
                        continue
                    run = way()
                    if number:
                        runs[name].append(run)
                        self._forget()
                if number == 0 and CDO in ways:
                    difference = self._difference(case)
        rmtree(self.results, ignore_errors=True)
        return Measured(case, runs, difference)

    def _forget(self) -> None:
        """Remove what has been written, which would go to disk during the next run."""
        for path in self.results.glob("*.nc"):
            path.unlink()
        (self.results / "floor").unlink(missing_ok=True)

    def _ways(self, case: Case, stack: ExitStack) -> Iterator[tuple[str, Callable[[], Run]]]:
        """Yield what can be run here, ourselves first."""
        request = case.request()
        document, warm = self.results / "request.json", self.results / "warm"
        document.write_text(json.dumps(request))
        commands = self._commands(case, document)
        standing = {
            WARM: ("warm", {"request": request, "output": str(warm), "format": case.format}),
            FLOOR: ("floor", self._floor(case)),
        }
        for name in WAYS:
            if name in standing and name in (*self.ways, WARM):
                module, question = standing[name]
                process = stack.enter_context(Standing(module))
                yield name, partial(process.ask, question)
            elif name in commands and name in self.ways:
                command = commands[name]
                yield name, partial(fresh, command)

    def _commands(self, case: Case, document: Path) -> dict[str, list[str]]:
        """Return the command of each way that is a program."""
        written = {name: self.results / f"{number}.nc" for number, name in enumerate(WAYS)}
        ours = [str(TOOL), "run", "-q", "--format", case.format, "-f", str(document), "-o"]
        own = ["--folder", str(self.folder), "--years", str(self.years)]
        module = [sys.executable, "-m", "compute_tasks.benchmarks.with_xarray"]
        commands = {
            COLD: [*ours, str(written[COLD])],
            XARRAY: [*module, case.name, str(written[XARRAY]), *own],
        }
        if which("cdo"):
            commands[CDO] = ["cdo", "-O", "-s", *case.cdo, str(written[CDO])]
            commands[CDO2] = ["cdo", "-O", "-s", "-P", "2", *case.cdo, str(written[CDO2])]
        if case.nco and which(case.nco[0]):
            tool, *words = case.nco
            commands[NCO] = [tool, "-O", *words, str(written[NCO])]
        return commands

    def _floor(self, case: Case) -> dict[str, Any]:
        return {
            "files": [str(path) for path in case.files],
            "variable": case.variable,
            "steps": case.steps and [case.steps.start, case.steps.stop],
            "compresses": case.compresses,
            "written": str(self.results / "warm"),
            "scratch": str(self.results / "floor"),
        }

    def _difference(self, case: Case) -> float:
        ours = next((self.results / "warm").glob("*.nc"))
        peer = self.results / f"{WAYS.index(CDO)}.nc"
        return agreement(ours, peer, case.variable, case.tolerance)


def agreement(ours: Path, peer: Path, variable: str, tolerance: float) -> float:
    """Return the largest difference of two results; raises FailedError above the tolerance."""
    module = [sys.executable, "-m", "compute_tasks.benchmarks.agreement"]
    found = subprocess.run(
        [*module, str(ours), str(peer), variable], capture_output=True, text=True
    )
    if found.returncode:
        raise FailedError(f"the results differ: {found.stderr.strip().splitlines()[-1]}")
    difference = float(found.stdout)
    if difference > tolerance:
        raise FailedError(f"the results differ by {difference:g}, more than {tolerance:g}")
    return difference


def as_json(measured: Measured) -> dict[str, Any]:
    """Return a case and its runs as plain values."""
    case = measured.case
    return {
        "case": case.name,
        "title": case.title,
        "bars": dataclasses.asdict(case.bars),
        "tolerance": case.tolerance,
        "difference": measured.difference,
        "runs": {
            name: [dataclasses.asdict(run) for run in runs] for name, runs in measured.runs.items()
        },
    }
