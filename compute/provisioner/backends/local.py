"""Nodes as processes of this machine, each with a folder `<data folder>/nodes/<name>/`.

The folder holds what the node is (`node.json`), the lock its launcher holds while it lives (`lock`,
with the launcher's process id), its log, how it ended (`exit`), and when it is ended by force
(`kill-at`). A file `NOTICE` that somebody puts there says that the node will be taken away. All of
it outlives the provisioner, so that the next one finds the nodes as they are.
"""

import contextlib
import fcntl
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from compute.provisioner.backends import cgroups, launcher
from compute.provisioner.backends.base import NodeSpec, Observed, StartRefused

KEPT_FOLDERS = 100
"""Folders of ended nodes that are kept for their logs."""

LOOK_SECONDS = 0.05
SCAN_SECONDS = 30.0
"""How often all processes are looked at for those that bear our label and have no folder."""

COMPUTE = (sys.executable, "-m", "compute")


class LocalBackend:
    """Starts, observes and stops processes; see `base.Backend`.

    Our label is a COMPUTE_NODE in the environment of a process beside our COMPUTE_DATA_DIR. With a
    `lifeline`, the read end of a pipe, nodes end when its other end is closed.
    """

    def __init__(
        self,
        data_dir: Path,
        environment: Mapping[str, str],
        *,
        lifeline: int | None = None,
        program: Sequence[str] = COMPUTE,
    ) -> None:
        self.folder = data_dir / "nodes"
        self._data_dir, self._environment = data_dir, environment
        self._lifeline, self._program = lifeline, program
        self._groups = cgroups.own()
        self._children: list[subprocess.Popen[bytes]] = []
        self._scan_due = 0.0
        self._lost: dict[str, Observed] = {}

    def start(self, spec: NodeSpec) -> str:
        """Start the node unless one of that name is there, and return its process id."""
        _check_room(spec)
        place = self.folder / spec.name
        place.mkdir(parents=True, exist_ok=True)
        with (place / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return _launched(place)
            if pid := _launched(place):
                return pid
            try:
                (place / "node.json").write_text(json.dumps({"pool": spec.pool}))
                child = self._launch(spec, place, lock.fileno())
            except OSError as error:
                raise StartRefused(f"no process: {error.strerror}", transient=True) from error
        self._children.append(child)
        return str(child.pid)

    def observe(self) -> list[Observed]:
        """Return the nodes that run, those that ended and were not stopped, and strays."""
        self._children = [child for child in self._children if child.poll() is None]
        places = list(self.folder.iterdir()) if self.folder.is_dir() else []
        seen = [found for place in places if (found := _observed(place))]
        known = {place.name for place in places if not (place / "stopped").exists()}
        if time.monotonic() >= self._scan_due:
            self._scan_due = time.monotonic() + SCAN_SECONDS
            self._lost = {
                name: Observed(name, "", "running", str(process.pid), "it has no folder")
                for process, name in self._labelled()
                if name not in known
            }
        return [*seen, *(self._lost[name] for name in self._lost.keys() - known)]

    def stop(self, name: str, grace_seconds: float) -> None:
        """Send SIGTERM, and SIGKILL when the grace is over; forget a node that has ended."""
        place = self.folder / name
        if not _runs(place):
            self._clear(name)
            return
        due = time.time() + grace_seconds
        told = _read(place / "kill-at")
        if not told or due < float(told):
            (place / "kill-at").write_text(str(due))
        if time.time() >= min(due, float(told or due)):
            _signal(place, signal.SIGKILL, group=True)
            self._clear(name)
        elif not told:
            # A second SIGTERM would mean haste.
            _signal(place, signal.SIGTERM)

    def end_all(self, grace_seconds: float) -> None:
        """Stop every node and return when nothing of them is left."""
        processes = [process for process, _ in self._labelled()]
        deadline = time.monotonic() + grace_seconds
        while running := [node for node in self.observe() if node.phase == "running"]:
            for node in running:
                self.stop(node.name, max(0.0, deadline - time.monotonic()))
            time.sleep(LOOK_SECONDS)
        while not all(map(_is_gone, processes)):
            time.sleep(LOOK_SECONDS)

    def _launch(self, spec: NodeSpec, place: Path, lock: int) -> subprocess.Popen[bytes]:
        lifeline = -1 if self._lifeline is None else self._lifeline
        group = self._group(spec)
        limits = ["-" if group else _cores(spec), str(group or "-")]
        script = [sys.executable, "-I", "-S", launcher.__file__, str(lock), str(lifeline)]
        with (place / "log").open("ab") as log:
            return subprocess.Popen(
                [*script, str(place), *limits, *self._program, *spec.arguments],
                env=self._variables(spec),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[fd for fd in (lock, self._lifeline) if fd is not None],
                start_new_session=True,
            )

    def _variables(self, spec: NodeSpec) -> dict[str, str]:
        limits = {}
        if spec.cpu:
            limits["COMPUTE_WORKER_THREADS"] = str(math.ceil(spec.cpu))
        if spec.memory:
            limits["COMPUTE_PROCESS_MEMORY_BYTES"] = str(spec.memory // spec.jobs)
        return {
            **self._environment,
            "COMPUTE_DATA_DIR": str(self._data_dir),
            # Several nodes of one machine cannot have the same port.
            "COMPUTE_METRICS_PORT": "0",
            **limits,
            **spec.environment,
            "COMPUTE_NODE": spec.name,
        }

    def _group(self, spec: NodeSpec) -> Path | None:
        """Return a cgroup with the limits of the node, None where there can be none."""
        if self._groups and (spec.cpu or spec.memory):
            with contextlib.suppress(OSError):
                return cgroups.limit(self._groups, spec.name, spec.cpu, spec.memory)
        return None

    def _labelled(self) -> Iterator[tuple[psutil.Process, str]]:
        """Return the processes that bear our label, with the names of their nodes."""
        ours = str(self._data_dir)
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                name = environment.get("COMPUTE_NODE")
                if name and environment.get("COMPUTE_DATA_DIR") == ours:
                    yield process, name

    def _clear(self, name: str) -> None:
        """End what is left of an ended node; its folder stays for its log."""
        for process, owner in self._labelled():
            if owner == name:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
        self._lost.pop(name, None)
        if self._groups:
            with contextlib.suppress(OSError):
                cgroups.remove(self._groups, name)
        if (place := self.folder / name).is_dir():
            (place / "stopped").touch()
            _forget_oldest(self.folder)


def _observed(place: Path) -> Observed | None:
    if (place / "stopped").exists() and not _runs(place):
        return None
    pid = _launched(place)
    if not pid:
        return None
    try:
        pool = json.loads(_read(place / "node.json") or "{}").get("pool", "")
    except ValueError:
        pool = ""
    interrupted = (place / "NOTICE").exists()
    if _runs(place):
        return Observed(place.name, pool, "running", pid, "", interrupted)
    code = _read(place / "exit")
    if code == "0":
        return Observed(place.name, pool, "ended", pid, "it ended", interrupted)
    reason = f"it ended with exit code {code}" if code else "it was killed with its launcher"
    return Observed(place.name, pool, "failed", pid, reason, interrupted)


def _launched(place: Path) -> str:
    """Return the process id of the node's launcher, dead or alive; empty if there was none."""
    return _read(place / "lock")


def _runs(place: Path) -> bool:
    try:
        with (place / "lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _is_gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def _signal(place: Path, number: signal.Signals, *, group: bool = False) -> None:
    # The lock was held a moment ago, so the process id is still that of the launcher.
    with contextlib.suppress(ProcessLookupError, ValueError):
        (os.killpg if group else os.kill)(int(_launched(place)), number)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


def _check_room(spec: NodeSpec) -> None:
    cores, memory = os.cpu_count() or 1, psutil.virtual_memory().total
    if spec.cpu > cores:
        raise StartRefused(f"the node is to have {spec.cpu:g} cores; this machine has {cores}")
    if spec.memory > memory:
        raise StartRefused(
            f"the node is to have {spec.memory} bytes of memory; this machine has {memory}"
        )


def _cores(spec: NodeSpec) -> str:
    """Return which cores the node is kept to, those least used first; `-` for all."""
    if not spec.cpu:
        return "-"
    used = psutil.cpu_percent(percpu=True)
    cores = sorted(os.sched_getaffinity(0), key=lambda n: used[n] if n < len(used) else 0.0)
    return ",".join(map(str, cores[: math.ceil(spec.cpu)]))


def _forget_oldest(folder: Path) -> None:
    ended = sorted(folder.glob("*/stopped"), key=lambda path: path.stat().st_mtime)
    for mark in ended[:-KEPT_FOLDERS]:
        shutil.rmtree(mark.parent, ignore_errors=True)
