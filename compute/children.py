"""Child processes of `compute serve`: started, forwarded, restarted and ended together."""

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self, cast

from compute.guard import guarded

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0
STOP_SECONDS = 10.0
LOOK_SECONDS = 0.05
LONGEST_LINE_BYTES = 1 << 20

Say = Callable[[str, str], None]


class ChildError(Exception):
    """A child process ended when it had to go on."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run under which name.

    `stdin` is written to the process, `fds` are passed on open. The lines of a `quiet` command are
    shown only when it fails.
    """

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stdin: bytes = b""
    fds: tuple[int, ...] = ()
    quiet: bool = False


class Family:
    """The children of this process; they end when it does, even when it is killed."""

    def __init__(self, say: Say) -> None:
        """`say(name, line)` shows a line of the child of that name, or our own under `serve`."""
        self.say = say
        self.settled = self.hurried = False
        self.tasks: list[asyncio.Task[None]] = []
        self._lifeline, self._held = os.pipe()
        # Its own number, because guards keep theirs from the commands they run.
        self.lifeline = os.dup(self._lifeline)
        """Read end of a pipe whose other end closes with this process; for what children start."""

    def child(self, command: Command) -> "Child":
        """Return a context in which the command keeps running."""
        return Child(self, command)

    async def once(self, command: Command) -> None:
        """Run the command to its end; raises ChildError when it fails."""
        if code := await self.run(command):
            raise ChildError(f"{command.name} failed with exit code {code}")

    async def run(self, command: Command) -> int:
        """Run the command and return its exit code; a cancelled call ends the process first."""
        reading, writing = os.pipe()
        process = await asyncio.create_subprocess_exec(
            *guarded(self._lifeline, command.arguments),
            env=dict(command.environment),
            stdin=asyncio.subprocess.PIPE,
            # Not asyncio's pipe: `wait` would go on until whatever inherited it has ended as well.
            stdout=writing,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=(self._lifeline, *command.fds),
            process_group=0,
        )
        os.close(writing)
        lines = asyncio.create_task(self._forward(command, reading))
        try:
            _feed(process, command.stdin)
            code = await process.wait()
        finally:
            await _end(process)
            kept = await lines
        if code:
            for line in kept:
                self.say(command.name, line)
        return code

    async def _forward(self, command: Command, reading: int) -> Iterable[str]:
        kept: deque[str] = deque(maxlen=20)
        say = (lambda _, line: kept.append(line)) if command.quiet else self.say
        async for line in _lines(reading):
            say(command.name, line)
        return kept


class Child:
    """A command that is started again, after growing pauses, whenever it ends by itself."""

    def __init__(self, family: Family, command: Command) -> None:
        self._family = family
        self._command = command

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep())
        self._family.tasks.append(self._task)
        return self

    def end(self) -> None:
        """Have the process told to end; leaving the context waits for that."""
        if not self._task.cancelling():
            self._task.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()
        if self._family.hurried:
            # The first call gives the process time to end, the second one kills it.
            await asyncio.sleep(LOOK_SECONDS)
            self._task.cancel()
        try:
            await asyncio.gather(self._task, return_exceptions=True)
        except asyncio.CancelledError:
            self._family.hurried = True
            raise

    async def _keep(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            started = time.monotonic()
            code = await self._family.run(self._command)
            ended = f"{self._command.name} ended with exit code {code}"
            if not self._family.settled:
                raise ChildError(f"{ended} before the service was ready")
            if time.monotonic() - started > STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self._family.say("serve", f"{ended}; starting it again in {pause:.0f} s")
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)


def _feed(process: asyncio.subprocess.Process, data: bytes) -> None:
    stdin = cast(asyncio.StreamWriter, process.stdin)
    stdin.write(data)
    stdin.close()


async def _lines(reading: int) -> AsyncIterator[str]:
    stream = asyncio.StreamReader(limit=LONGEST_LINE_BYTES)
    with os.fdopen(reading, "rb") as file:
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), file
        )
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                line = b"(a line too long to show)"
            if not line:
                return
            yield line.decode(errors="replace").rstrip()


async def _end(process: asyncio.subprocess.Process) -> None:
    try:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), STOP_SECONDS)
    finally:
        # What the command left behind in its group ends with it.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
