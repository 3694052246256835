"""How long a fresh command takes: to its help, and to the first chunk it reads."""

import json
import time
from pathlib import Path
from statistics import median

from compute_tasks.benchmarks.cases import cases
from compute_tasks.benchmarks.children import TOOL, fresh
from compute_tasks.benchmarks.figures import Figure

HOOK = Path(__file__).with_name("first_read")


def startup(folder: Path, years: int, runs: int) -> list[Figure]:
    """Return medians in seconds, with the page cache warm."""
    case = next(c for c in cases(folder, years) if c.name == "time-mean")
    request, log, output = folder / "startup.json", folder / "reads.txt", folder / "startup.nc"
    request.write_text(json.dumps(case.request()))
    command = [str(TOOL), "run", "-q", "-f", str(request), "-o", str(output)]
    helps, reads = [], []
    for _ in range(runs + 1):
        helps.append(fresh([str(TOOL), "--help"]).wall)
        log.unlink(missing_ok=True)
        began = time.time()
        fresh(command, watched(log))
        reads.append(first_read(log, began))
    for path in (request, log, output):
        path.unlink(missing_ok=True)
    return [
        Figure("compute --help, s", median(helps[1:]), 0.3, most=True),
        Figure("compute run: start to first chunk, s", median(reads[1:]), 0.7, most=True),
    ]


def watched(log: Path) -> dict[str, str]:
    """Return the environment in which a program notes its reads of data."""
    return {"PYTHONPATH": str(HOOK), "BENCHMARK_READS": str(log)}


def first_read(log: Path, since: float) -> float:
    """Return the seconds from `since` to the first read noted after it."""
    lines = log.read_text().splitlines() if log.exists() else []
    dates = (float(line.split()[0]) for line in lines)
    return next((date - since for date in dates if date >= since), float("nan"))
