"""Programs that are measured: fresh ones, and ones that stay and do the same again and again.

This module imports little on purpose: the peak memory of a child is never below that of the process
that starts it.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TICKS = os.sysconf("SC_CLK_TCK")
TOOL = Path(sys.executable).with_name("compute")
"""The command as users start it."""
INSTALLED = {"PYTHONDONTWRITEBYTECODE": ""}
"""The run that is not counted leaves compiled modules behind, as installing a program does."""


class FailedError(Exception):
    """A program that was to be measured ended with an error."""


@dataclass(frozen=True, slots=True)
class Run:
    """What one run took: wall and processor seconds, peak resident bytes, others' processors."""

    wall: float
    cpu: float
    peak: int
    others: float


def fresh(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Run:
    """Run a program from start to end; raises FailedError with the last it said."""
    with tempfile.TemporaryFile() as said:
        busy, start = _busy(), time.perf_counter()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            env={**os.environ, **INSTALLED, **(environment or {})},
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            text = said.read().decode(errors="replace")[-1000:].strip()
            raise FailedError(f"{command[0]} ended with {process.returncode}: {text}")
    cpu = usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, 1024 * usage.ru_maxrss, _others(_busy() - busy, cpu, wall))


class Standing(AbstractContextManager["Standing"]):
    """A module of this package that runs as a process and does what it is asked, line by line."""

    def __init__(self, module: str, *arguments: str) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 (closed on exit)
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"compute_tasks.benchmarks.{module}", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def ask(self, question: Mapping[str, Any]) -> Run:
        """Let it do something; raises FailedError when it dies of it."""
        stdin, stdout = self._process.stdin, self._process.stdout
        busy = _busy()
        answer = ""
        if stdin and stdout and self._process.poll() is None:
            stdin.write(json.dumps(question) + "\n")
            stdin.flush()
            answer = stdout.readline()
        if not answer:
            self._said.seek(0)
            raise FailedError(self._said.read().decode(errors="replace")[-1000:].strip())
        found = json.loads(answer)
        wall, cpu = found["wall"], found["cpu"]
        return Run(wall, cpu, found["peak"], _others(_busy() - busy, found["all_cpu"], wall))


def _busy() -> float:
    """Return the processor seconds this machine has spent so far."""
    values = Path("/proc/stat").read_text().split(maxsplit=9)[1:9]
    user, nice, system, _, _, irq, softirq, _ = map(int, values)
    return (user + nice + system + irq + softirq) / TICKS


def _others(busy: float, own: float, wall: float) -> float:
    """Return how many processors were busy with something else."""
    return max(0.0, (busy - own) / max(wall, 1 / TICKS))
