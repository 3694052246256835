"""A process that dies at a chosen line, as a killed worker or web does.

It is forked from a server that has imported everything, so that a death costs little time.
"""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Collection
from types import CodeType, FrameType
from typing import Any

import django

django.setup()

from django.db import connection  # noqa: E402

_context = multiprocessing.get_context("forkserver")
_preloaded = [__name__, "compute_wps.tasks"]
_context.set_forkserver_preload(_preloaded)


def preload(module: str) -> None:
    """Have the server import a module too, if it has not started yet."""
    _preloaded.append(module)
    _context.set_forkserver_preload(_preloaded)


def dies(step: int, places: Collection[Callable], action: Callable, *arguments: Any) -> bool:
    """Run the action in a process that is killed before its n-th line in these functions.

    Returns False when the action came to its end before that.
    """
    codes = [_code(place) for place in places]
    names = {(code.co_filename, code.co_qualname) for code in codes}
    database = connection.settings_dict["NAME"]
    process = _context.Process(target=_run, args=(database, step, names, action, arguments))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def _code(place: Callable) -> CodeType:
    return getattr(place, "__wrapped__", place).__code__


def _run(
    database: str, step: int, names: set[tuple[str, str]], action: Callable, arguments: tuple
) -> None:
    connection.settings_dict["NAME"] = database
    left = step

    def count(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        left -= event == "line"
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    def watch(frame: FrameType, *_: Any) -> Any:
        code = frame.f_code
        return count if (code.co_filename, code.co_qualname) in names else None

    sys.settrace(watch)
    action(*arguments)
    sys.settrace(None)
