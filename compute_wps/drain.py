"""Ending a worker in time when it is told to: its jobs go back to their queues.

The jobs have half of the grace to finish. Then their processes are killed, so that whatever they
are busy with cannot hold anybody up, and their jobs are handed back. A second request ends the wait
at once.
"""

import contextlib
import os
import select
import shutil
import signal
import threading
from collections.abc import Callable, Collection

import billiard
import structlog

from compute_wps import jobs, results
from compute_wps.models import Job, State
from compute_wps.patience import patiently

HURRY_SECONDS = 5.0
"""What is left for handing jobs back after a second request, at most."""

logger = structlog.get_logger(__name__)

# A signal handler may write to a pipe, but must not wait for the lock of an event.
_requests, _ask = os.pipe()
os.set_blocking(_ask, False)


def asked() -> None:
    """Note a request to end; safe in a signal handler."""
    with contextlib.suppress(BlockingIOError):
        os.write(_ask, b".")


def prepare(grace: float, worker_name: Callable[[int], str]) -> None:
    """Wait for requests in a thread; `grace` is in seconds, `worker_name` that of a process id."""
    thread = threading.Thread(target=_wait, args=(grace, worker_name), name="drain", daemon=True)
    thread.start()


def _wait(grace: float, worker_name: Callable[[int], str]) -> None:
    os.read(_requests, 1)
    logger.info("worker ends", grace_seconds=grace)
    again, _, _ = select.select([_requests], [], [], grace / 2)
    left = min(HURRY_SECONDS, grace / 2) if again else grace / 2
    timer = threading.Timer(left, os._exit, (1,))
    timer.daemon = True
    timer.start()
    _end_children(worker_name, left)
    os._exit(0)


def _end_children(worker_name: Callable[[int], str], seconds: float) -> None:
    children = [child.pid for child in billiard.active_children()]
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    try:
        hand_back({worker_name(pid) for pid in children}, seconds)
    except Exception:
        # The leases of jobs that could not be handed back run out.
        logger.exception("jobs not handed back")


def hand_back(workers: Collection[str], seconds: float) -> None:
    """Give the jobs of these ended workers back to their queues; raises after so many seconds."""
    for job in patiently(lambda: _jobs_of(workers), seconds):
        patiently(lambda job=job: jobs.release(job.id, job.worker, job.attempt), seconds)  # type: ignore[misc]
        shutil.rmtree(results.workspace(job), ignore_errors=True)


def _jobs_of(workers: Collection[str]) -> list[Job]:
    return list(Job.objects.filter(status=State.STARTED, worker__in=workers))
