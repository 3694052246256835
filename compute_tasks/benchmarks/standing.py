"""The other end of `children.Standing`: answers each line with what doing it has taken."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def serve(prepare: Callable[[dict[str, Any]], Callable[[], object]]) -> None:
    """Read questions from standard input until it ends; time what `prepare` returns for each."""
    for line in sys.stdin:
        everything = sum(os.times()[:2])
        work = prepare(json.loads(line))
        # Start counting the peak of the resident memory from here.
        Path("/proc/self/clear_refs").write_text("5")
        cpu, start = sum(os.times()[:2]), time.perf_counter()
        work()
        wall = time.perf_counter() - start
        now = sum(os.times()[:2])
        answer = {"wall": wall, "cpu": now - cpu, "all_cpu": now - everything, "peak": _peak()}
        print(json.dumps(answer), flush=True)


def _peak() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
