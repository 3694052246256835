"""Which of some processes still run, in tests that end them."""

import contextlib
from collections.abc import Iterable

import psutil


def alive(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """Return the processes that run, or wait for something; not those that only await burial."""
    return [process for process in processes if _runs(process)]


def _runs(process: psutil.Process) -> bool:
    # It may end, and its parent may bury it, between the two questions.
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False
