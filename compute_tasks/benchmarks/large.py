"""Input larger than memory: 40 GB of daily fields in 100 files that compress to little."""

import json
import sys
from pathlib import Path

from compute_tasks.benchmarks.children import TOOL, fresh
from compute_tasks.benchmarks.figures import Figure
from compute_tasks.benchmarks.measure import agreement

FILES, YEARS = 100, 5
MOST_BYTES = 10**9
TOLERANCE = 1e-3
OPERATIONS = {
    "mean over time": {"name": "CDAT.mean", "axes": "time"},
    "area mean": {"name": "CDAT.average"},
    "seasonal means": {"name": "CDAT.temporal_mean", "freq": "season"},
}


def large(folder: Path) -> list[Figure]:
    """Return the peak memory in MB and the seconds of fresh processes, one run each."""
    place = folder / "large"
    fresh([sys.executable, "-m", "compute_tasks.benchmarks.large_data", str(place)])
    request, output = place / "request.json", place / "result.nc"
    names = [f"v{number}" for number in range(FILES)]
    result = []
    for title, operation in OPERATIONS.items():
        document = {
            "variable": [
                {"uri": str(path), "id": f"tas|{name}"}
                for path, name in zip(paths(place), names, strict=True)
            ],
            "operation": [
                {"name": "CDAT.aggregate", "result": "all", "input": names},
                {"result": "result", "input": ["all"], **operation},
            ],
        }
        request.write_text(json.dumps(document))
        output.unlink(missing_ok=True)
        run = fresh([str(TOOL), "run", "-q", "-f", str(request), "-o", str(output)])
        if "axes" in operation:
            agreement(output, expected(place), "tas", TOLERANCE)
        megabytes = run.peak / 1e6
        result += [
            Figure(f"40 GB, {title}: peak MB", megabytes, MOST_BYTES / 1e6, most=True),
            Figure(f"40 GB, {title}: s", run.wall),
        ]
    return result


def paths(folder: Path) -> list[Path]:
    """Return the files, in order of time."""
    return [folder / f"tas_{number:03d}.nc" for number in range(FILES)]


def expected(folder: Path) -> Path:
    """Return the file of the mean over all times."""
    return folder / "expected.nc"
