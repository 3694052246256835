"""Measure the cases and print the table: `python -m compute_tasks.benchmarks --case area-mean`."""

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from shutil import which

from rich.console import Console

from compute_tasks.benchmarks.case import Case
from compute_tasks.benchmarks.cases import cases, grid_file, grid_text
from compute_tasks.benchmarks.children import FailedError, fresh
from compute_tasks.benchmarks.figures import Figure, figures
from compute_tasks.benchmarks.large import large
from compute_tasks.benchmarks.measure import CDO, WAYS, Bench, Measured, as_json
from compute_tasks.benchmarks.startup import startup
from compute_tasks.benchmarks.table import WIDTH, show, show_figures

LIBRARIES = ("xarray", "dask", "numpy", "netCDF4", "h5py", "imagecodecs", "numba")


EXTRAS = ("startup", "large")


def main() -> None:
    """Read the options, make the data, measure, print; end with 1 if a bar is missed."""
    options = _options()
    console = Console(width=WIDTH, highlight=False, markup=False)
    folder = options.folder.absolute()
    console.print(*facts(), sep="\n")
    _make(folder, options.years, console)
    bench = Bench(folder, options.years, options.pairs, tuple(options.ways))
    wanted = options.case or [*(c.name for c in cases(folder, options.years)), *EXTRAS]
    done: list[Measured] = []
    others: list[Figure] = []
    broken = False
    for name in wanted:
        try:
            if name in EXTRAS:
                others += _extra(name, folder, options)
            else:
                done.append(bench.measure(_case(name, folder, options.years)))
                console.print(_said(done[-1]), soft_wrap=True)
        except FailedError as error:
            broken = True
            console.print(f"{name}: {error}", soft_wrap=True)
        # Whatever ends this, what has been measured is kept.
        _write(options, done, others)
    console.print(f"\nMedian seconds of {options.pairs} rounds; bars in brackets, missed ones: !\n")
    show(done, console)
    show_figures(others, console)
    missed = [f for f in [*others, *(f for one in done for f in figures(one))] if f.missed]
    console.print(f"\n{len(missed)} bars missed; all runs: {options.json}")
    sys.exit(1 if broken or (options.check and missed) else 0)


def _case(name: str, folder: Path, years: int) -> Case:
    found = {case.name: case for case in cases(folder, years)}
    if name not in found:
        sys.exit(f"no case {name}; there are {', '.join((*found, *EXTRAS))}")
    return found[name]


def _extra(name: str, folder: Path, options: argparse.Namespace) -> list[Figure]:
    return large(folder) if name == "large" else startup(folder, options.years, options.pairs)


def _write(options: argparse.Namespace, done: list[Measured], others: list[Figure]) -> None:
    """Write everything measured as JSON."""
    report = {
        "machine": facts(),
        "years": options.years,
        "cases": [as_json(one) for one in done],
        "figures": [asdict(figure) for figure in others],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(report, indent=1))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--case", nargs="+", help="only these cases")
    parser.add_argument("--years", type=int, default=30, help="of daily data; 30 are 2.4 GB")
    parser.add_argument("--pairs", type=int, default=5, help="rounds of each case")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--check", action="store_true", help="fail when a bar is missed")
    parser.add_argument("--folder", type=Path, default=Path("build/benchmarks"))
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/results.json"))
    return parser.parse_args()


def facts(libraries: Iterable[str] = LIBRARIES) -> list[str]:
    """Return on what is measured, and the versions of the peers and of the libraries."""
    tools = [f"{name} {version(name)}" for name in libraries]
    peers = [_first_line("cdo", "--version"), _first_line("ncks", "--version")]
    return [
        f"{os.cpu_count()} processors {_processor()}, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, load {os.getloadavg()[0]:.1f}",
        ", ".join([*filter(None, peers), *tools]),
    ]


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _first_line(tool: str, option: str) -> str:
    if not which(tool):
        return f"without {tool} (on Debian: apt install cdo nco)"
    said = subprocess.run([tool, option], capture_output=True, text=True)
    lines = (said.stdout + said.stderr).splitlines()
    line = next((line for line in lines if "ersion" in line), tool)
    return line.partition(" (http")[0].partition(" built by")[0]


def _make(folder: Path, years: int, console: Console) -> None:
    """Make the data in a process of its own, so that this one stays small."""
    console.print(f"data in {folder}; what is missing is made")
    command = [sys.executable, "-m", "compute_tasks.benchmarks.data"]
    fresh([*command, "--folder", str(folder), "--years", str(years)])
    for step in {case.grid for case in cases(folder, years) if case.grid}:
        grid_file(folder, step).write_text(grid_text(step))


def _said(measured: Measured) -> str:
    runs = ", ".join(
        f"{name} " + " ".join(f"{run.wall:.2f}" for run in runs)
        for name, runs in measured.runs.items()
    )
    agreed = "" if CDO not in measured.runs else f"; {measured.difference:.1e} from CDO"
    return f"{measured.case.name}: {runs}{agreed}"


if __name__ == "__main__":
    main()
