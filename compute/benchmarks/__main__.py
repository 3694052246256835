"""Measure the service: `python -m compute.benchmarks --pairs 5 --check`."""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from statistics import median

from rich.console import Console

from compute.benchmarks.jobs import PROCESS, accepted, latencies
from compute.benchmarks.services import Service, ours, pywps
from compute.broker import HOST
from compute_tasks.benchmarks.__main__ import facts
from compute_tasks.benchmarks.figures import Figure
from compute_tasks.benchmarks.table import WIDTH, show_figures

CLIENTS = 4
SECONDS = 2.0
ASKED = "?service=WPS&version=1.0.0&request="
REQUESTS = (
    ("GetCapabilities", f"{ASKED}GetCapabilities", f"{ASKED}GetCapabilities", 10.0),
    (
        "DescribeProcess",
        f"{ASKED}DescribeProcess&identifier={PROCESS}",
        f"{ASKED}DescribeProcess&identifier=small7",
        10.0,
    ),
    ("Execute", accepted(), f"{ASKED}Execute&identifier=small7&DataInputs=value=3", 3.0),
)
"""Name, our query, the peer's, and how many times as many answers we must give."""


def main() -> None:
    """Read the options, start both services, measure, print; end with 1 if a bar is missed."""
    options = _options()
    console = Console(width=WIDTH, highlight=False, markup=False)
    machine = facts(("pywps", "gunicorn", "django", "celery"))
    console.print(*machine, sep="\n")
    with tempfile.TemporaryDirectory(prefix="compute-benchmark-") as name:
        folder = Path(name)
        with ours(folder / "ours") as service, pywps(folder / "pywps") as peer:
            found = latencies(service, options.jobs)
            # The jobs accepted from here on would take the processors both services need.
            service.worker.kill()
            found += _rates(service, peer, options.pairs)
    show_figures(found, console)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    report = {"machine": machine, "figures": [asdict(figure) for figure in found]}
    options.json.write_text(json.dumps(report, indent=1))
    sys.exit(1 if options.check and any(figure.missed for figure in found) else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--pairs", type=int, default=5, help="rounds of each request")
    parser.add_argument("--jobs", type=int, default=50, help="jobs on a tiny file")
    parser.add_argument("--check", action="store_true", help="fail when a bar is missed")
    parser.add_argument("--json", type=Path, default=Path("build/benchmarks/service.json"))
    return parser.parse_args()


def _rates(service: Service, peer: int, pairs: int) -> list[Figure]:
    """Return answers a second of both, and their ratio, each the median of rounds in turns."""
    result = []
    for request, query, peer_query, bar in REQUESTS:
        mine, theirs = [], []
        for _ in range(pairs + 1):
            mine.append(_rate(service.port, f"/wps/{query}"))
            theirs.append(_rate(peer, f"/wps{peer_query}"))
        ratios = [a / b for a, b in zip(mine[1:], theirs[1:], strict=True)]
        result += [
            Figure(f"{request}: answers/s", median(mine[1:])),
            Figure(f"{request}: answers/s of PyWPS", median(theirs[1:])),
            Figure(f"{request}: ratio", median(ratios), bar),
        ]
    return result


def _rate(port: int, path: str) -> float:
    """Return the answers a second that all clients together get."""
    command = [sys.executable, "-m", "compute.benchmarks.load", HOST, str(port), path, str(SECONDS)]
    clients = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(CLIENTS)]
    said = [client.communicate()[0] for client in clients]
    if any(client.returncode for client in clients):
        raise RuntimeError(f"a client of port {port} got no right answer to {path}")
    return sum(map(float, said))


if __name__ == "__main__":
    main()
