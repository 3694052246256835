"""How far a run is, and whether it is still wanted."""

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from compute_tasks.errors import Cancelled

OPENED = 5
"""Percent reached when every source is open; the computing is the rest."""

RATE = 2
"""Reports a second, at most; those of counted work leave room for what happens next."""


class Progress:
    """Turns opened sources and finished dask tasks into percents.

    `report` gets a percent (0..100, never falling) and a message; what exceeds the rate is left
    out. `cancelled` is asked each time something has finished, `clock` gives seconds.
    """

    def __init__(
        self,
        report: Callable[[int, str], None],
        cancelled: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._report = report
        self._cancelled = cancelled
        self._clock = clock
        self._sent: deque[float] = deque(maxlen=RATE)
        self._message = ""
        self._percent = 0
        self._total = 1
        self._before, self._stages = 0, 1
        self._done = 0

    def phase(self, message: str) -> None:
        """Say what happens from now on."""
        self.check()
        self._message = message
        self._advance(self._percent, gap=0)

    def opened(self, count: int, total: int) -> None:
        """Note that `count` of `total` sources are open."""
        self.check()
        self._advance(OPENED * count // total)

    def finished(self) -> None:
        """Note that everything is done; from here on there is nothing left to cancel."""
        self._advance(100, gap=0)

    def callbacks(self) -> tuple[Any, ...]:
        """Return the dask callback (start, start_state, pretask, posttask, finish) that counts."""
        return (None, self._count, None, self._task_done, None)

    def stage(self, number: int, count: int) -> None:
        """Note that this stage, from 1, of so many begins of what streams."""
        self._before, self._stages = number - 1, count

    def streamed(self, share: float) -> None:
        """Note that this share, 0 to 1, of the stage is computed."""
        self.check()
        self._advance(OPENED + int((99 - OPENED) * (self._before + share) / self._stages))

    def check(self) -> None:
        """Raise Cancelled when the run is no longer wanted."""
        if self._cancelled():
            raise Cancelled("the job was dismissed")

    def _count(self, graph: Any, state: Mapping[str, Any]) -> None:
        self._total = max(1, len(state["ready"]) + len(state["waiting"]))
        self._done = 0

    def _task_done(self, *_: Any) -> None:
        self.check()
        self._done += 1
        self._advance(OPENED + (99 - OPENED) * self._done // self._total)

    def _advance(self, percent: int, gap: float = 1 / RATE) -> None:
        """Report, unless that exceeds the rate or the last report is under `gap` seconds old."""
        self._percent = max(self._percent, percent)
        now = self._clock()
        full = len(self._sent) == RATE and now - self._sent[0] < 1
        if full or (self._sent and now - self._sent[-1] < gap):
            return
        self._sent.append(now)
        self._report(self._percent, self._message)
