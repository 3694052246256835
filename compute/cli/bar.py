"""The progress bar of a run on a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn


@contextmanager
def bar() -> Iterator[Callable[[int, str], None]]:
    """Show a bar on stderr, and give the function that sets its percent and message."""
    console = Console(stderr=True, markup=False, highlight=False)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as shown:
        task = shown.add_task("", total=100)
        yield lambda percent, message: shown.update(task, completed=percent, description=message)
