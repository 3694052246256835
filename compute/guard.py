"""Runs one command and ends it, with all it started, as soon as the parent is gone.

`compute serve` starts every child through this script. The script and the command share a process
group of their own; the read end of a pipe (the lifeline) tells when the parent has died, however it
died. Standard library only, so that it starts in a few milliseconds.

Usage: guard.py LIFELINE_FD COMMAND [ARGUMENT...]
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

# Nobody waits for a clean end any more; a job cut off here is taken up again from its lease.
GRACE_SECONDS = 3.0


def guarded(lifeline: int, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs `arguments` until the pipe `lifeline` is closed.

    It must be started in a process group of its own, with the read end of the pipe left open.
    """
    return [sys.executable, "-I", "-S", __file__, str(lifeline), *arguments]


def main(arguments: list[str]) -> int:
    """Run the command and return its exit code, 128 + n when signal n ended it."""
    lifeline, command = int(arguments[0]), arguments[1:]
    os.set_inheritable(lifeline, False)
    child = subprocess.Popen(command, close_fds=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: child.send_signal(number))
    threading.Thread(target=_end_with_parent, args=(lifeline, child), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _end_with_parent(lifeline: int, child: subprocess.Popen[bytes]) -> None:
    os.read(lifeline, 1)
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
