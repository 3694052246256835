"""The values a netCDF file is described by, in the terms of DAP2.

`WIRE` gives how a number of each DAP2 type is sent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WIRE: dict[str, np.dtype[Any]] = {
    "Byte": np.dtype("u1"),
    "Int16": np.dtype(">i4"),
    "UInt16": np.dtype(">u4"),
    "Int32": np.dtype(">i4"),
    "UInt32": np.dtype(">u4"),
    "Float32": np.dtype(">f4"),
    "Float64": np.dtype(">f8"),
}


@dataclass(frozen=True, slots=True)
class Attribute:
    """A named list of values of one DAP type."""

    name: str
    type: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Dimension:
    """A named axis and its length in points."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of the file; `maps` names the coordinate of each dimension when it is a Grid.

    `width` is the length in bytes of the longest text of a String variable. `characters` says that
    the file stores the texts along a last dimension, which `dimensions` leaves out.
    """

    name: str
    type: str
    dimensions: tuple[Dimension, ...]
    attributes: tuple[Attribute, ...]
    maps: tuple[str, ...] = ()
    width: int = 0
    characters: Dimension | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Return the length of each dimension."""
        return tuple(dimension.size for dimension in self.dimensions)


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything in a file but the values."""

    name: str
    variables: dict[str, Variable]
    attributes: tuple[Attribute, ...]
    unlimited: str | None


def elements(shape: Sequence[int]) -> int:
    """Return how many values a shape holds; a scalar holds one."""
    return math.prod(shape)
