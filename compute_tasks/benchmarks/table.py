"""The table of the cases: seconds, ratios with their bars, memory."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from compute_tasks.benchmarks.figures import Figure, disturbance, figures, processor, seconds
from compute_tasks.benchmarks.measure import CDO, FLOOR, WARM, WAYS, Measured

PROCESSOR = (WARM, CDO, FLOOR)
RATIOS = ("warm vs CDO", "cold vs CDO", "warm vs NCO", "cold vs NCO", "warm vs floor", "peak MB")
WIDTH = 250


def show(measured: list[Measured], console: Console) -> None:
    """Print a row for each case: medians in seconds, then each ratio with its bar in brackets."""
    table = Table(box=None, pad_edge=False)
    table.add_column("case", no_wrap=True)
    spent = (f"cpu {way}" for way in PROCESSOR)
    for name in (*WAYS, *spent, *RATIOS, "difference", "others"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in measured:
        table.add_row(one.case.title, *map(Text, _row(one)))
    console.print(table)


def _row(one: Measured) -> list[str]:
    found = {figure.name: figure for figure in figures(one)}
    times = [seconds(one.runs, way) for way in WAYS]
    times += [processor(one.runs, way) for way in PROCESSOR]
    difference = "" if one.difference is None else f"{one.difference:.1e}"
    return [
        *("" if time is None else f"{time:.2f}" for time in times),
        *(shown(found[name]) if name in found else "" for name in RATIOS),
        difference,
        f"{disturbance(one):.1f}",
    ]


def shown(figure: Figure) -> str:
    """Return the value with its bar, marked where it misses it."""
    digits = 0 if abs(figure.value) >= 100 else 2
    bar = "" if figure.bar is None else f" ({figure.bar:g})"
    return f"{'! ' if figure.missed else ''}{figure.value:.{digits}f}{bar}"


def show_figures(figures: list[Figure], console: Console) -> None:
    """Print a line for each figure."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for figure in figures:
        table.add_row(figure.name, Text(shown(figure)))
    console.print(table)
