"""A worker's hold on a job while it runs it."""

import contextlib
import signal
import threading
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
    """Says whether the job is still this worker's, and takes its progress."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.key = (job.id, job.worker, job.attempt)
        self._lost = threading.Event()
        self._released = threading.Event()

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

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """Extend the lease from a thread of its own for as long as the context lasts."""
        thread = threading.Thread(target=self._keep, name=f"lease-{self.job.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._released.set()
            thread.join()

    def look(self, extend: bool) -> None:
        """Ask the database once; one that cannot answer is asked again the next time."""
        try:
            close_old_connections()
            held = jobs.heartbeat(*self.key) if extend else jobs.holds(*self.key)
        except Error as error:
            logger.warning("lease not checked", reason=str(error))
            return
        if not held:
            self._lost.set()

    def _interrupt(self) -> None:
        """End what the job waits for, be it a remote server that is silent for minutes."""
        if signal.getsignal(INTERRUPT) is interrupted:
            signal.pthread_kill(threading.main_thread().ident or 0, INTERRUPT)

    def _keep(self) -> None:
        extending = settings.COMPUTE.lease_seconds / 3
        waited = 0.0
        try:
            while not self.lost() and not self._released.wait(min(LOOK_SECONDS, extending)):
                waited += min(LOOK_SECONDS, extending)
                extend = waited >= extending
                waited = 0.0 if extend else waited
                self.look(extend)
            if self.lost():
                self._interrupt()
        finally:
            connection.close()
