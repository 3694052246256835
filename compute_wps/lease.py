"""A worker's hold on a job while it runs it."""

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

import structlog
from django.conf import settings
from django.db import Error, close_old_connections, connection

from compute_tasks.errors import Cancelled
from compute_wps import jobs
from compute_wps.models import Job

LOOK_SECONDS = 1.0
"""How often the row is looked at, so that a dismissed job stops soon."""

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
        self._released = False
        self._wake = threading.Event()
        self._closing = False
        self._note = ""
        self._beat = time.monotonic()

    def lost(self) -> bool:
        """Tell whether the job was dismissed or given to another worker."""
        return self._lost.is_set()

    def report(self, percent: int, message: str) -> None:
        """Record progress: percent from 0 to 100 and what is being done.

        Raises Cancelled when the job is lost. Progress the database cannot take is left out.
        """
        if self.lost():
            raise Cancelled("the job was dismissed")
        try:
            close_old_connections()
            jobs.report(*self.key, percent, message)
        except Error as error:
            logger.warning("progress not recorded", reason=str(error))

    def note(self, message: str) -> None:
        """Have a message recorded at once, from any thread; of several at a time the last."""
        self._note = message
        self._wake.set()

    def closing(self) -> None:
        """Extend the lease further, but interrupt the job's thread no more: it ends by itself."""
        self._closing = True

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Extend the lease from a thread of its own for as long as the context lasts."""
        thread = threading.Thread(target=self._keep, name=f"lease-{self.job.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._released = True
            self._wake.set()
            thread.join()

    def look(self, extend: bool) -> bool:
        """Ask the database once and return whether it answered; it is asked again the next time."""
        try:
            close_old_connections()
            held = self._extended() if extend else jobs.holds(*self.key)
            if held and (note := self._note):
                jobs.report(*self.key, 0, note)
                self._note = "" if self._note == note else self._note
            if not held and not jobs.retake(*self.key):
                self._lost.set()
        except Error as error:
            logger.warning("lease not checked", reason=str(error))
            return False
        return True

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
                self._wake.wait(min(LOOK_SECONDS, extending))
                self._wake.clear()
                if self._released:
                    break
                extend = time.monotonic() >= due
                if self.look(extend) and extend:
                    due = time.monotonic() + extending
            if self.lost():
                self._interrupt()
        finally:
            connection.close()
