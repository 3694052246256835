"""Putting values into NetCDF-3 files: at their place, in any number of threads."""

import math
import os
from pathlib import Path

import numpy as np

from compute_tasks.engine.classic import read_header
from compute_tasks.engine.evaluator import Box, lengths
from compute_tasks.engine.scratch import Scratch
from compute_tasks.engine.value_kernels import swapped


class PlainVariable:
    """A variable of a NetCDF-3 file, stored in one run of bytes."""

    def __init__(self, path: Path, name: str) -> None:
        with path.open("rb") as file:
            header = read_header(file)
        (layout,) = (v for v in header.variables if v.name == name)
        self.path, self.shape, self.begin = path, layout.shape, layout.begin
        self.dtype = layout.dtype.newbyteorder("=")

    def put(self, values: np.ndarray, box: Box, fill: np.generic | None, scratch: Scratch) -> None:
        """Store the values of a box, NaN as `fill`; OSError where that cannot be."""
        given = np.ascontiguousarray(values, self.dtype)
        bytes_ = scratch.array((given.nbytes,), np.dtype("u1"))
        swapped(given.reshape(-1), fill, bytes_)
        outer = self._outer(box)
        run = math.prod(lengths(box)[outer:]) * self.dtype.itemsize
        strides = [math.prod(self.shape[a + 1 :]) * self.dtype.itemsize for a in range(len(box))]
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            for number, place in enumerate(np.ndindex(*lengths(box)[:outer])):
                first = [extent.start for extent in box]
                first[:outer] = [a + b for a, b in zip(first[:outer], place, strict=True)]
                offset = sum(a * b for a, b in zip(first, strides, strict=True))
                _write(descriptor, bytes_[number * run : (number + 1) * run], self.begin + offset)
        finally:
            os.close(descriptor)

    def _outer(self, box: Box) -> int:
        """Return how many leading dimensions are to be gone through step by step.

        The rest of the box is one run of bytes.
        """
        axis = len(box)
        while axis and lengths(box)[axis:] == self.shape[axis:]:
            axis -= 1
        return axis


def _write(descriptor: int, content: np.ndarray, offset: int) -> None:
    view = memoryview(content.data)
    while view:
        count = os.pwrite(descriptor, view, offset)
        view, offset = view[count:], offset + count
