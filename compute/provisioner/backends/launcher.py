"""Runs one node of this machine, notes how it ended and leaves nothing of it behind.

The launcher leads a session of its own, so that the node outlives the provisioner that started it.
It holds a lock on a file for as long as it lives: whoever cannot take that lock knows that the node
runs, whichever process started it. The lifeline, if there is one, is the read end of a pipe; when
its other end is closed, the node ends. Standard library only, so that it starts in milliseconds.

Usage: launcher.py LOCK_FD LIFELINE_FD FOLDER CORES CGROUP COMMAND [ARGUMENT...]; LIFELINE_FD is -1
for none, CORES (numbers with commas) and CGROUP (a folder) are `-` for none.
"""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

# Nobody waits for a clean end any more; a job cut off here is taken up again from its lease.
GRACE_SECONDS = 3.0


def main(arguments: list[str]) -> None:
    """Run the command to its end, write its exit code to FOLDER/exit and end its whole group."""
    lock, lifeline, folder = int(arguments[0]), int(arguments[1]), Path(arguments[2])
    os.set_inheritable(lock, False)
    os.write(lock, str(os.getpid()).encode())
    _confine(cores=arguments[3], group=arguments[4])
    child = subprocess.Popen(arguments[5:])
    signal.signal(signal.SIGTERM, lambda number, _: child.send_signal(number))
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if lifeline >= 0:
        threading.Thread(target=_end_with, args=(lifeline, child), daemon=True).start()
    code = child.wait()
    written = folder / "exit.new"
    written.write_text(str(code if code >= 0 else 128 - code))
    written.replace(folder / "exit")
    os.killpg(0, signal.SIGKILL)


def _confine(*, cores: str, group: str) -> None:
    """Take on limits that the command inherits."""
    if cores != "-":
        os.sched_setaffinity(0, map(int, cores.split(",")))
    if group != "-":
        (Path(group) / "cgroup.procs").write_text(str(os.getpid()))


def _end_with(lifeline: int, child: subprocess.Popen[bytes]) -> None:
    os.read(lifeline, 1)
    child.terminate()
    try:
        child.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1:])
