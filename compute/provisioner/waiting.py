"""Waiting between two rounds: for a while, or until a signal comes or a node of ours ends."""

import os
import select
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGINT)


class Alarm:
    """Wakes who waits when a signal comes."""

    def __init__(self, reading: int) -> None:
        self._reading = reading
        self.ending = False

    def wait(self, seconds: float) -> None:
        """Return after so many seconds, or as soon as a signal comes."""
        if select.select([self._reading], [], [], seconds)[0]:
            os.read(self._reading, 1024)

    def end(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal to end."""
        self.ending = True


@contextmanager
def alarm() -> Iterator[Alarm]:
    """Return an alarm for as long as the context lasts; call it in the main thread."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    made = Alarm(reading)
    handlers = {number: signal.signal(number, made.end) for number in ENDING}
    handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda *_: None)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        yield made
    finally:
        signal.set_wakeup_fd(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)
