"""The threads that read: one pool per process, as wide as the processors it may use."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

Task = TypeVar("Task")


@cache
def width() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(function: Callable[[Task], None], tasks: Iterable[Task]) -> None:
    """Call the function for every task, in threads; the first exception is raised here.

    On return no task runs any more, also after an exception.

    A task must not call this again: it would wait for a thread of the pool it occupies.
    """
    futures = [_pool().submit(function, task) for task in tasks]
    try:
        for future in futures:
            future.result()
    finally:
        for future in futures:
            future.cancel()
        wait(futures)


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(width(), thread_name_prefix="reader")


# The threads of a parent process do not exist in its fork.
os.register_at_fork(after_in_child=_pool.cache_clear)
