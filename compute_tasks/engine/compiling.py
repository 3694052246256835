"""Compiling loops to run without the interpreter's lock."""

from collections.abc import Callable
from typing import Any

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.runtime.nrt import rtsys


class _Result(CompileResultCacheImpl):
    """What is kept of a loop: its code, and little else.

    By default that includes the modules of all functions in it, which are imported when it is
    loaded. Those of numba are the compiler; only an error whose text is made in compiled code, as
    none of ours is, looks at them.
    """

    def reduce(self, cres: Any) -> tuple[Any, ...]:
        *code, environments = super().reduce(cres)
        return *code, tuple(e for e in environments if e.consts or not _is_of_numba(e))


def _is_of_numba(environment: Any) -> bool:
    return str(environment.globals["__name__"]).startswith("numba.")


class _Kept(FunctionCache):
    """Loops compiled before, loaded without the compiler.

    By default everything that compiling takes is imported first, which lasts longer than many a
    computation. Whoever compiles after all imports it then.
    """

    _impl_class = _Result

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
