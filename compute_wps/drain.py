"""Ending a worker in time when it is told to: its jobs go back to their queues.

The jobs have half of the grace to finish. Then their processes are asked to save what is finished
and to hand their jobs back. Those that have not done so after half of the rest are killed, so that
whatever they are busy with cannot hold anybody up, and their jobs are handed back for them. A
second request ends the waiting at once.
"""

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Collection
from types import FrameType

import billiard
import structlog

from compute_wps import jobs, results
from compute_wps.models import Job, State
from compute_wps.patience import AWAY, patiently

STOP = signal.SIGHUP
"""What asks a process to save what is finished of its job and to hand it back."""
LOOK_SECONDS = 0.2
HURRY_SECONDS = 5.0
"""What is left for handing jobs back after a second request, at most."""

logger = structlog.get_logger(__name__)

# A signal handler may write to a pipe, but must not wait for the lock of an event.
_requests, _ask = os.pipe()
os.set_blocking(_ask, False)
_stop = threading.Event()


def asked() -> None:
    """Note a request to end; safe in a signal handler."""
    with contextlib.suppress(BlockingIOError):
        os.write(_ask, b".")


def prepare(grace: float, worker_name: Callable[[int], str]) -> None:
    """Wait for requests in a thread; `grace` is in seconds, `worker_name` that of a process id."""
    thread = threading.Thread(target=_wait, args=(grace, worker_name), name="drain", daemon=True)
    thread.start()


def stop(number: int, frame: FrameType | None) -> None:
    """Handle STOP."""
    _stop.set()


def stopping() -> bool:
    """Tell whether the job of this process is to be handed back as soon as it can be."""
    return _stop.is_set()


def _wait(grace: float, worker_name: Callable[[int], str]) -> None:
    os.read(_requests, 1)
    logger.info("worker ends", grace_seconds=grace)
    hurry = _asked_again(grace / 2)
    left = min(HURRY_SECONDS, grace / 2) if hurry else grace / 2
    timer = threading.Timer(left, os._exit, (1,))
    timer.daemon = True
    timer.start()
    children = [child.pid for child in billiard.active_children()]
    if not hurry:
        _let_stop(children, worker_name, time.monotonic() + left / 2)
    _end_children(children, worker_name, left)
    os._exit(0)


def _asked_again(seconds: float) -> bool:
    """Wait for another request, at most so long, and tell whether one came."""
    return bool(select.select([_requests], [], [], seconds)[0])


def _let_stop(children: list[int], worker_name: Callable[[int], str], deadline: float) -> None:
    """Ask the children to hand their jobs back, and give them time for it."""
    _send(children, STOP)
    workers = {worker_name(pid) for pid in children}
    with contextlib.suppress(*AWAY):
        while time.monotonic() < deadline and _jobs_of(workers):
            if _asked_again(LOOK_SECONDS):
                break


def _send(children: list[int], number: signal.Signals) -> None:
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _end_children(children: list[int], worker_name: Callable[[int], str], seconds: float) -> None:
    _send(children, signal.SIGKILL)
    try:
        hand_back({worker_name(pid) for pid in children}, seconds)
    except Exception:
        # The leases of jobs that could not be handed back run out.
        logger.exception("jobs not handed back")


def hand_back(workers: Collection[str], seconds: float) -> None:
    """Give the jobs of these ended workers back to their queues; raises after so many seconds."""
    for job in patiently(lambda: _jobs_of(workers), seconds):
        patiently(lambda job=job: jobs.release(job.id, job.worker, job.attempt), seconds)  # type: ignore[misc]
        results.end_attempt(job)


def _jobs_of(workers: Collection[str]) -> list[Job]:
    return list(Job.objects.filter(status=State.STARTED, worker__in=workers))
