"""A worker's hold on a job while it runs it."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from queue import SimpleQueue
from types import FrameType

import structlog
from django.conf import settings
from django.db import Error, close_old_connections, connection

from compute_tasks.errors import Cancelled
from compute_wps import jobs
from compute_wps.history import Said
from compute_wps.models import Job

LOOK_SECONDS = 1.0
"""How often the row is looked at, so that a dismissed job stops soon."""

GATHER_SECONDS = 0.1
"""How long what a job says is gathered, to be recorded at once: a short job waits for no database
while it runs, and others wait less for it."""

INSIST_SECONDS = 10.0
"""When a job that is lost and has not ended is interrupted again: some library may have taken the
first time for a failure of its own. Tidying up takes less."""

INTERRUPT = signal.SIGUSR2
"""What a lost lease sends to the thread that runs the job, in a process made for it."""

logger = structlog.get_logger(__name__)


def interrupted(number: int, frame: FrameType | None) -> None:
    """Handle INTERRUPT: stop the job that runs in this process' main thread."""
    raise Cancelled("the job was dismissed")


class Lease:
    """Says whether the job is still this worker's, and takes its progress.

    A lease is lost when the job was dismissed or another worker has it, and by nothing else: one
    that ran out because the database was away is taken up again.
    """

    def __init__(self, job: Job) -> None:
        self.job = job
        self.key = (job.id, job.worker, job.attempt)
        self._lost = threading.Event()
        self._released = threading.Event()
        self._wake = threading.Event()
        self._closing = False
        self._said: SimpleQueue[Said] = SimpleQueue()
        self._input_bytes: int | None = None
        self._recording = threading.Lock()
        self._beat = time.monotonic()

    def lost(self) -> bool:
        """Tell whether the job was dismissed or given to another worker."""
        return self._lost.is_set()

    def report(self, percent: int, message: str) -> None:
        """Have progress recorded: percent from 0 to 100 and what is being done.

        Raises Cancelled when the job is lost. Progress the database cannot take is left out.
        """
        if self.lost():
            raise Cancelled("the job was dismissed")
        self._say(percent, message)

    def note(self, message: str) -> None:
        """Have a message recorded, from any thread."""
        self._say(0, message)

    def estimated(self, input_bytes: int) -> None:
        """Have recorded how many bytes the job reads, with what it says next."""
        self._input_bytes = input_bytes

    def closing(self) -> None:
        """Extend the lease further, but interrupt the job's thread no more: it ends by itself.

        What was said until now is recorded.
        """
        self._closing = True
        self._record()

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Extend the lease from a thread of its own for as long as the context lasts."""
        thread = threading.Thread(target=self._keep, name=f"lease-{self.job.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._released.set()
            self._wake.set()
            thread.join()
            self._record()

    def look(self, extend: bool) -> bool:
        """Ask the database once and return whether it answered; it is asked again the next time."""
        try:
            close_old_connections()
            held = self._extended() if extend else jobs.holds(*self.key)
            if held:
                self._record()
            if not held and not jobs.retake(*self.key):
                self._lost.set()
        except Error as error:
            logger.warning("lease not checked", reason=str(error))
            return False
        return True

    def _say(self, percent: int, message: str) -> None:
        self._said.put(Said(percent, message))
        self._wake.set()

    def _record(self) -> None:
        """Write down what was said since the last time."""
        with self._recording:
            said = [self._said.get() for _ in range(self._said.qsize())]
            if not said:
                return
            try:
                close_old_connections()
                jobs.report(*self.key, said, self._input_bytes)
            except Error as error:
                logger.warning("progress not recorded", reason=str(error))

    def _extended(self) -> bool:
        now = time.monotonic()
        held = jobs.heartbeat(*self.key, now - self._beat)
        self._beat = now
        return held

    def _interrupt(self) -> None:
        """End what the job waits for, be it a remote server that is silent for minutes."""
        if not self._closing and signal.getsignal(INTERRUPT) is interrupted:
            signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)

    def _keep(self) -> None:
        extending = settings.COMPUTE.lease_seconds / 3
        due = time.monotonic() + extending
        try:
            while not self.lost():
                if self._wake.wait(min(LOOK_SECONDS, extending)):
                    self._released.wait(GATHER_SECONDS)
                self._wake.clear()
                if self._released.is_set():
                    break
                extend = time.monotonic() >= due
                if self.look(extend) and extend:
                    due = time.monotonic() + extending
            if self.lost():
                self._interrupt()
                while not self._released.wait(INSIST_SECONDS):
                    self._interrupt()
        finally:
            connection.close()
