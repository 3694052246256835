"""From runs to figures: medians, ratios in turns, and which bars are missed."""

from dataclasses import dataclass
from statistics import median

from compute_tasks.benchmarks.children import Run
from compute_tasks.benchmarks.measure import CDO, CDO2, COLD, FLOOR, NCO, WARM, Measured

Runs = dict[str, list[Run]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A number beside its bar; `most` tells a bar it must not exceed from one it must reach."""

    name: str
    value: float
    bar: float | None = None
    most: bool = False

    @property
    def missed(self) -> bool:
        """Whether there is a bar and it is not reached."""
        if self.bar is None:
            return False
        return not (self.value <= self.bar if self.most else self.value >= self.bar)


def seconds(runs: Runs, way: str) -> float | None:
    """Return the median wall seconds of a way, None if it was not run."""
    return median(run.wall for run in runs[way]) if runs.get(way) else None


def processor(runs: Runs, way: str) -> float | None:
    """Return the median processor seconds of a way, None if it was not run."""
    return median(run.cpu for run in runs[way]) if runs.get(way) else None


def ratio(runs: Runs, over: str, under: str) -> float | None:
    """Return the median over the rounds of how many times longer `over` took than `under`."""
    if not (runs.get(over) and runs.get(under)):
        return None
    return median(a.wall / b.wall for a, b in zip(runs[over], runs[under], strict=True))


def better_cdo(runs: Runs) -> str:
    """Return the faster of plain CDO and CDO with two threads."""
    return min((CDO, CDO2), key=lambda way: seconds(runs, way) or float("inf"))


def peak(runs: Runs) -> float:
    """Return the most memory we had resident in any run, in bytes."""
    return max((run.peak for way in (WARM, COLD) for run in runs.get(way, [])), default=0)


def figures(measured: Measured) -> list[Figure]:
    """Return every ratio that has a bar and could be measured, and the peak memory in MB."""
    runs, bars = measured.runs, measured.case.bars
    cdo = better_cdo(runs)
    wanted = (
        ("warm vs CDO", ratio(runs, cdo, WARM), bars.warm, False),
        ("cold vs CDO", ratio(runs, cdo, COLD), bars.cold, False),
        ("warm vs NCO", ratio(runs, NCO, WARM), bars.warm_nco, False),
        ("cold vs NCO", ratio(runs, NCO, COLD), bars.cold_nco, False),
        ("warm vs floor", ratio(runs, WARM, FLOOR), bars.floor, True),
        ("peak MB", peak(runs) / 1e6, bars.peak / 1e6, True),
    )
    return [
        Figure(name, value, bar, most)
        for name, value, bar, most in wanted
        if value is not None and bar is not None
    ]


def disturbance(measured: Measured) -> float:
    """Return how many processors others used meanwhile, the median over all runs."""
    return median(run.others for runs in measured.runs.values() for run in runs)
