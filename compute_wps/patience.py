"""Waiting for a database that is away for a moment."""

from collections.abc import Callable
from typing import TypeVar

from django.db import InterfaceError, OperationalError, close_old_connections
from tenacity import (
    Retrying,
    retry_if_exception_type,
    stop_after_delay,
    wait_random_exponential,
)

AWAY = (OperationalError, InterfaceError)
"""What Django raises when the database cannot be reached or dropped the connection."""

LONG = 600.0
"""Seconds the result of a run waits for the database; after that its lease decides."""

T = TypeVar("T")


def patiently(action: Callable[[], T], seconds: float = LONG) -> T:
    """Return action(), tried again with growing, jittered pauses while the database is away.

    The action must be one that may happen twice. Raises the last error after so many seconds.
    """
    attempts = Retrying(
        retry=retry_if_exception_type(AWAY),
        wait=wait_random_exponential(0.2, max=3),
        stop=stop_after_delay(seconds),
        before=lambda _: close_old_connections(),
        reraise=True,
    )
    return attempts(action)
