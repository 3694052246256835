"""Where the values of a node go: a variable of a file that exists but for them."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from compute_tasks.engine.expression import Operand

Guard = Callable[[], AbstractContextManager[Any]]
"""What writing happens inside, so that its errors can be told from those of reading."""


@dataclass(frozen=True, slots=True, eq=False)
class Destination:
    """A variable of a closed file, and the array it is to hold.

    Values are stored in `dtype`, NaN as `fill` (None: as it is). `chunk` is the shape of chunks,
    which are shuffled and deflated; None means a NetCDF-3 file.
    """

    path: Path
    name: str
    node: Operand
    dtype: np.dtype
    fill: np.generic | None
    chunk: tuple[int, ...] | None
