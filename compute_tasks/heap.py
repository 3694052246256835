"""Keeps what the C library holds of freed memory small.

It gives threads heaps of their own, and each keeps what it once had. Opening and computing are done
by threads that come and go, which would leave tens of megabytes behind in a process that stays.
"""

import ctypes
from contextlib import suppress

ARENA_MAX = -8
"""The option of `mallopt` for the number of heaps, in the C library of GNU."""


def share() -> None:
    """Have all threads that start from now on use one heap; nothing with other C libraries."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(ARENA_MAX, 1)
