"""Compiled loops: kept on disk, and loaded without what compiling takes."""

import subprocess
import sys

MEAN = """
import sys
import numpy as np
from compute_tasks.regrid.kernels import by_axes

fields, out = np.arange(4.0).reshape(1, 2, 2), np.empty((1, 1, 1))
halves, both = np.array([0.5, 0.5]), np.array([0, 1])
by_axes(fields, np.array([0, 2]), both, halves, both[:, None], halves[:, None], 0.5, out)
compiler = ("numba.np.linalg", "numba.np.arrayobj", "numba.cpython.unicode")
print(out.item(), [name for name in compiler if name in sys.modules])
"""


def regridded() -> str:
    return subprocess.run(
        [sys.executable, "-c", MEAN], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_loops_compiled_before_are_loaded_without_the_compiler():
    regridded()
    assert regridded() == "1.5 []"
