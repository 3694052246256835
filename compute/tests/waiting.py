"""Waiting for something to become true, in tests that watch real processes."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(condition: Callable[[], T], seconds: float = 30.0, pause: float = 0.02) -> T:
    """Return the first true value of the condition; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {condition}")
        time.sleep(pause)
    return value
