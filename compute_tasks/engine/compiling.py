"""Compiling loops to run without the interpreter's lock."""

from collections.abc import Callable
from typing import Any

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys


class _Kept(FunctionCache):
    """Loops compiled before, loaded without the compiler.

    By default everything that compiling takes is imported first, which lasts longer than many a
    computation. Whoever compiles after all imports it then.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)
        return self._load_overload(sig, target_context)


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile at the first call; the result is kept on disk wherever there is a place for it."""
    compiled: Any = numba.njit(nogil=True)(function)
    try:
        compiled._cache = _Kept(function)
    except RuntimeError:
        # There is no place, and everyone compiles for himself.
        return compiled
    return compiled
