"""A `compute serve` of our own for as long as a block runs, on a free port."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from compute.guard import guarded

STOP_SECONDS = 40.0
LAST_LINES = 30


class ServiceError(Exception):
    """The service did not start; the text ends with the last lines of its log."""


@dataclass(frozen=True, slots=True)
class Service:
    """A running service: its address without a path, its data folder, its log, its process."""

    url: str
    data_dir: Path
    log: Path
    process: subprocess.Popen[str]

    @property
    def wps(self) -> str:
        """Address of the WPS endpoint."""
        return f"{self.url}/wps"

    @property
    def archive(self) -> Path:
        """Folder of the files it may read."""
        return self.data_dir / "archive"


@contextlib.contextmanager
def service(data_dir: Path, environment: Mapping[str, str] | None = None) -> Iterator[Service]:
    """Run `compute serve` on the folder with these additional variables; stop it at the end.

    Its log goes to `serve.log` in the folder.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    log = data_dir / "serve.log"
    lifeline, held = os.pipe()
    serve = ("serve", "--port", "0", "--data-dir", str(data_dir))
    with log.open("w") as lines:
        process = subprocess.Popen(
            guarded(lifeline, [sys.executable, "-m", "compute", *serve]),
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=lines,
            text=True,
            pass_fds=(lifeline,),
            process_group=0,
        )
    os.close(lifeline)
    try:
        yield Service(_address(process, log), data_dir, log, process)
    finally:
        _stop(process)
        os.close(held)


def _address(process: subprocess.Popen[str], log: Path) -> str:
    line = process.stdout.readline() if process.stdout else ""
    if found := re.search(r"ready at (\S+)/wps", line):
        return found[1]
    last = "\n".join(log.read_text().splitlines()[-LAST_LINES:])
    raise ServiceError(f"the service did not start; its log {log} ends with\n{last}")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout:
        process.stdout.close()
