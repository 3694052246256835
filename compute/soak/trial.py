"""The trial itself: load and chaos side by side, then the checks and the table."""

import random
import threading
import time

from rich.console import Console
from rich.table import Table

from compute.soak import check
from compute.soak.chaos import Chaos
from compute.soak.load import Load
from compute.soak.mix import Mix
from compute.soak.stack import Stack

END_SECONDS = 600.0
"""How long the last jobs may take once the chaos is over."""


def trial(
    stack: Stack, database: str, *, minutes: float, jobs: int, seed: int, console: Console
) -> bool:
    """Run it and return whether every promise was kept."""
    mix = Mix(stack.data_dir / "archive")
    load = Load(stack.url, mix.stream(), jobs)
    chaos = Chaos(stack, database, random.Random(seed))  # noqa: S311
    striking = threading.Thread(target=chaos.run, name="chaos", daemon=True)
    console.print(
        f"{minutes:g} minutes, at most {jobs} jobs, seed {seed}, logs beside the data ..."
    )
    started = time.monotonic()
    striking.start()
    load.run(60 * minutes)
    chaos.stopping.set()
    striking.join()
    console.print(f"{len(load.accepted)} jobs accepted; waiting for the last ...")
    check.wait_for_all(END_SECONDS)
    found = check.problems(load, mix, stack.data_dir)
    _show(console, chaos, time.monotonic() - started)
    for problem in found:
        console.print(f"[red]{problem}", markup=True, highlight=False)
    console.print("Every promise was kept." if not found else f"{len(found)} promises were broken.")
    return not found


def _show(console: Console, chaos: Chaos, seconds: float) -> None:
    blows = Table("what was killed", "times", "median s to recover", "max s", title="Blows")
    for recovery in check.recoveries(chaos.blows):
        blows.add_row(recovery.kind, str(recovery.blows), *recovery.shown)
    totals = Table("", "", title=f"Jobs, in {seconds:.0f} s", show_header=False)
    for name, count in check.counts().items():
        totals.add_row(name, str(count))
    console.print(blows, totals)
