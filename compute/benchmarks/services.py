"""Our service and PyWPS's, each on a free port of this machine, for as long as they are needed."""

import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from compute.broker import HOST, PrivateRedis, free_port
from compute.testing.parts import Part, compute, redis_part
from compute_tasks.benchmarks.startup import watched

READY_SECONDS = 60.0
PEER_SETTINGS = """[server]
url = http://{host}:{port}/wps
outputpath = {folder}
workdir = {folder}
maxprocesses = 100
parallelprocesses = 100
[logging]
level = ERROR
file = {folder}/pywps.log
database = sqlite:///:memory:
"""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs: its port, the folder of its data, its log of reads, its worker."""

    port: int
    data: Path
    reads: Path
    worker: Part

    @property
    def url(self) -> str:
        """The address of the web."""
        return f"http://{HOST}:{self.port}"


@contextmanager
def ours(folder: Path) -> Iterator[Service]:
    """Run web, worker and Redis on SQLite."""
    for name in ("data/archive", "redis", "counters"):
        (folder / name).mkdir(parents=True)
    broker, port, log, reads = PrivateRedis(), free_port(), folder / "log", folder / "reads.txt"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("COMPUTE_")},
        "COMPUTE_DATA_DIR": str(folder / "data"),
        "COMPUTE_REDIS_URL": broker.url,
        "COMPUTE_METRICS_PORT": "0",
        "COMPUTE_QUEUED_JOBS": "1000000",
        "COMPUTE_LOG_LEVEL": "WARNING",
        "PROMETHEUS_MULTIPROC_DIR": str(folder / "counters"),
    }
    with ExitStack() as stack:
        migrate = _started(compute("migrate", environment, log, "migrate"), stack)
        if migrate.process and migrate.process.wait(READY_SECONDS):
            raise RuntimeError(f"the database was not made:\n{log.read_text()[-1000:]}")
        _started(redis_part(broker, folder / "redis", log), stack)
        web = ("web", "--host", HOST, "--port", str(port))
        _started(compute("web", environment, log, *web), stack)
        _ready(f"http://{HOST}:{port}/health", log)
        worker = compute("worker", environment | watched(reads), log, "worker")
        _started(worker, stack)
        yield Service(port, folder / "data", reads, worker)


@contextmanager
def pywps(folder: Path) -> Iterator[int]:
    """Run a PyWPS service under two workers of gunicorn and return its port."""
    folder.mkdir(parents=True)
    port, settings, log = free_port(), folder / "pywps.cfg", folder / "log"
    settings.write_text(PEER_SETTINGS.format(host=HOST, port=port, folder=folder))
    command = [sys.executable, "-m", "gunicorn", "--workers=2", f"--bind={HOST}:{port}"]
    command += ["--log-level=warning", "--no-control-socket", "compute.benchmarks.peer:application"]
    environment: Mapping[str, str] = {**os.environ, "PYWPS_CFG": str(settings)}
    with ExitStack() as stack:
        _started(Part("pywps", command, environment, log), stack)
        _ready(f"http://{HOST}:{port}/?service=WPS&request=GetCapabilities", log)
        yield port


def _started(part: Part, stack: ExitStack) -> Part:
    part.start()
    stack.callback(part.end)
    return part


def _ready(url: str, log: Path) -> None:
    """Wait until the address answers; raises RuntimeError when it does not."""
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{url} does not answer:\n{log.read_text()[-1000:]}") from None
            time.sleep(0.1)
