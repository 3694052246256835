"""Compiled loops: kept on disk, and loaded without what compiling takes."""

import subprocess
import sys

SUM = """
import sys
import numpy as np
from compute_tasks.engine.kernels import fletcher32
print(fletcher32(np.arange(8, dtype="u1")), "numba.np.linalg" in sys.modules)
"""


def summed() -> list[str]:
    answer = subprocess.run([sys.executable, "-c", SUM], capture_output=True, text=True, check=True)
    return answer.stdout.split()


def test_loops_compiled_before_are_loaded_without_the_compiler():
    first, _ = summed()
    assert summed() == [first, "False"]
