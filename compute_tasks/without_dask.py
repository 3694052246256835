"""Keeps xarray from loading dask only to learn that an array is none of dask's.

xarray imports dask, which takes longer than many a computation, whenever a variable is made. While
nothing has loaded it, no array can be one of its.
"""

import importlib
import sys
from types import ModuleType
from typing import Any

from xarray.namedarray import pycompat, utils


class _Known:
    """What xarray knows of dask: all of it once it is loaded, and until then that it is there."""

    available = True

    @property
    def module(self) -> ModuleType:
        """The package."""
        return importlib.import_module("dask")

    @property
    def version(self) -> Any:
        """The version of the package."""
        return pycompat.Version(self.module.__version__)  # type: ignore[attr-defined]

    @property
    def type(self) -> tuple[Any, ...]:
        """The class of its arrays, if there can be any."""
        array = getattr(sys.modules.get("dask.array.core"), "Array", None)
        return () if array is None else (array,)


_asked = utils.is_dask_collection


def _is_dask_collection(value: object) -> bool:
    return "dask.base" in sys.modules and _asked(value)


def spare() -> None:
    """Have xarray ask so from now on, unless it has asked before."""
    utils.is_dask_collection = _is_dask_collection  # type: ignore[assignment]
    pycompat._cached_duck_array_modules.setdefault("dask", _Known())  # type: ignore[arg-type]
