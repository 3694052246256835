"""The parts of a service as processes that may be killed and started again one by one."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import psutil

from compute.broker import PrivateRedis
from compute.guard import guarded


class Part:
    """One process with a name and a log; it ends with us, however we end."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        stdin: Callable[[], bytes] = bytes,
    ) -> None:
        """`stdin` makes what is written to the process each time it starts."""
        self.name = name
        self._arguments, self._environment = arguments, environment
        self._log, self._stdin = log, stdin
        self._lifeline, self._held = os.pipe()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process."""
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                guarded(self._lifeline, self._arguments),
                env=dict(self._environment),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(self._lifeline,),
                process_group=0,
            )
        with cast(IO[bytes], self.process.stdin) as stdin:
            stdin.write(self._stdin())

    @property
    def runs(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def processes(self) -> list[psutil.Process]:
        """Return the process itself and all below it."""
        if self.process is None:
            return []
        try:
            return psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def signal(self, number: int) -> None:
        """Send a signal to the process alone, not to what it has started."""
        if found := self.processes():
            found[0].send_signal(number)

    def kill(self) -> None:
        """Kill the process with SIGKILL and wait until it is gone."""
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait(30)

    def end(self) -> None:
        """End the process and all it started."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(30)
        os.close(self._lifeline)
        os.close(self._held)


@contextmanager
def part(name: str, environment: Mapping[str, str], log: Path, *arguments: str) -> Iterator[Part]:
    """Return a context in which `compute ARGUMENTS` runs."""
    made = compute(name, environment, log, *arguments)
    made.start()
    try:
        yield made
    finally:
        made.end()


def compute(name: str, environment: Mapping[str, str], log: Path, *arguments: str) -> Part:
    """Return the part that runs `compute ARGUMENTS`."""
    return Part(name, [sys.executable, "-m", "compute", *arguments], environment, log)


def redis_part(private: PrivateRedis, folder: Path, log: Path) -> Part:
    """Return a Redis that keeps its data in a folder, so that it has them after it was killed."""
    keeping = f"\ndir {folder}\nappendonly yes\nappendfsync always".encode()

    def configuration() -> bytes:
        return private.configuration.replace(b"\nappendonly no", b"") + keeping

    return Part("redis", private.arguments, dict(os.environ), log, configuration)
