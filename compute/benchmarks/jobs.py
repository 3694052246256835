"""How long a job on a tiny file takes in a service that is warm."""

import time
from datetime import datetime
from statistics import median
from urllib.parse import urlencode

from django.utils.dateparse import parse_duration

from compute.benchmarks.services import Service
from compute.testing.client import Json, accept, job, texts
from compute_tasks.benchmarks.figures import Figure
from compute_tasks.benchmarks.startup import first_read
from compute_wps.warmup import tiny

PROCESS = "CDAT.subset"
FILE = "tiny.nc"
WARM_UP = 5
POLL_SECONDS = 0.02
ENDED = ("ProcessSucceeded", "ProcessFailed")


def request(process: str = PROCESS) -> dict[str, str]:
    """Return the three inputs of a request on the tiny file."""
    return texts(FILE, "tas", process)


def accepted() -> str:
    """Return the query of an Execute on the tiny file that is accepted and runs later."""
    pairs = ";".join(f"{name}={text}" for name, text in request().items())
    query = {
        "service": "WPS",
        "version": "1.0.0",
        "request": "Execute",
        "identifier": PROCESS,
        "DataInputs": pairs,
        "storeExecuteResponse": "true",
        "status": "true",
        "reuse": "false",
    }
    return f"?{urlencode(query)}"


def latencies(service: Service, count: int) -> list[Figure]:
    """Return medians in milliseconds from accepted to first read and to succeeded."""
    tiny(service.data / "archive" / FILE)
    ended, read = [], []
    for _ in range(WARM_UP + count):
        shown = _ended(service.url, accept(service.url, PROCESS, request()))
        if shown["status"] != "ProcessSucceeded":
            raise RuntimeError(f"a job failed: {shown['message']}")
        begun = datetime.fromisoformat(shown["accepted"]).timestamp()
        ended.append(1000 * parse_duration(shown["elapsed"]).total_seconds())
        read.append(1000 * first_read(service.reads, begun))
    return [
        Figure("accepted to first chunk read, ms", median(read[WARM_UP:]), 30, most=True),
        Figure("accepted to succeeded, ms", median(ended[WARM_UP:]), 60, most=True),
    ]


def _ended(url: str, job_id: str) -> Json:
    while True:
        shown = job(url, job_id)
        if shown["status"] in ENDED:
            return shown
        time.sleep(POLL_SECONDS)
