"""Memory that is used again: fresh pages from the system cost more than most sums over them."""

import math
from collections.abc import Sequence

import numpy as np


class Scratch:
    """Lends arrays until all are taken back; used by one thread."""

    def __init__(self) -> None:
        self._buffers: list[np.ndarray] = []
        self._lent = 0

    def array(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Return an array to write to, whatever was left in it."""
        size = math.prod(shape) * dtype.itemsize
        if self._lent == len(self._buffers):
            self._buffers.append(np.empty(size, "u1"))
        elif self._buffers[self._lent].size < size:
            self._buffers[self._lent] = np.empty(size, "u1")
        self._lent += 1
        return self._buffers[self._lent - 1][:size].view(dtype).reshape(shape)

    def clear(self) -> None:
        """Take all arrays back."""
        self._lent = 0
