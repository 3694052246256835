"""Opening many local files in processes beside this one, which remember on disk what they open.

In one process files are opened one after the other: the libraries do not bear threads, and most of
the time goes into Python. What cannot be opened ahead is left to whoever opens it then.
"""

import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import IO, cast

from compute_tasks.engine.threads import width
from compute_tasks.errors import TaskError
from compute_tasks.model import Variable
from compute_tasks.sources import local, open_source, remembered
from compute_tasks.sources.policy import SourcePolicy

LEAST = 96
"""Files not seen before that are worth processes, which start in the time that opens some dozens.
"""
OPENED = b"."


@contextmanager
def opening(variables: Sequence[Variable], policy: SourcePolicy) -> Iterator[Callable[..., None]]:
    """Have variables of many files opened that are not known, as long as the context lasts.

    Gives a function that waits until a variable need not be waited for any longer.
    """
    helpers = _helpers(variables, policy)
    coming = {_key(variable): helper for helper in helpers for variable in helper.variables}

    def wait(variable: Variable) -> None:
        if helper := coming.get(_key(variable)):
            helper.wait(variable)

    try:
        yield wait
    finally:
        for helper in helpers:
            helper.end()


def _helpers(variables: Sequence[Variable], policy: SourcePolicy) -> list["_Helper"]:
    count, folder = width(), policy.indexes
    if len(variables) < LEAST or count == 1 or folder is None:
        return []
    unknown = [variable for variable in variables if _is_unknown(variable, policy, folder)]
    if len(unknown) < LEAST:
        return []
    helpers: list[_Helper] = []
    # Where no process can be started, what it would have opened is opened when it is asked for.
    with suppress(OSError):
        for number in range(count):
            # Neighbours by different ones, so that the first to be asked for come first.
            helpers.append(_Helper(unknown[number::count], policy))
    return helpers


def _is_unknown(variable: Variable, policy: SourcePolicy, folder: Path) -> bool:
    try:
        state = remembered.state(local.located(variable.uri.strip(), policy))
    except TaskError:
        return False
    return state is not None and not remembered.may_know(state, variable.variable, folder)


def _key(variable: Variable) -> tuple[str, str]:
    return variable.uri, variable.variable


class _Helper:
    """A process that opens variables in their order."""

    def __init__(self, variables: Sequence[Variable], policy: SourcePolicy) -> None:
        self.variables = variables
        self._numbers = {_key(variable): n for n, variable in enumerate(variables, start=1)}
        self._opened, self._lock = 0, Lock()
        with tempfile.TemporaryFile() as question:
            pickle.dump((policy, variables), question)
            question.seek(0)
            # Not from the folder one happens to be in: it may hold modules of the same names.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__],
                stdin=question,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        self._said = cast(IO[bytes], self._process.stdout)

    def wait(self, variable: Variable) -> None:
        """Return when the variable was opened or will not be."""
        with self._lock:
            while self._opened < self._numbers[_key(variable)]:
                self._opened += 1 if self._said.read(1) else len(self.variables)

    def end(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        with self._lock, self._said:
            self._opened = len(self.variables)
        self._process.wait()


def _serve() -> None:
    """Open the variables given on standard input and say so of each, until nobody listens."""
    # From the parent, which is this program too.
    policy, variables = pickle.load(sys.stdin.buffer)  # noqa: S301
    for variable in variables:
        # Whoever asks for it is told what is wrong with it.
        with suppress(Exception):
            open_source(variable, policy).close()
        os.write(sys.stdout.fileno(), OPENED)


if __name__ == "__main__":
    _serve()
