"""Limits of cpu and memory for all processes of a node together, where cgroups v2 can be written.

Elsewhere a node is kept to some of the cores, and its worker bounds the memory of each process.
"""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000
CONTROLLERS = ("cpu", "memory")


def own(root: Path = ROOT, entries: str | None = None) -> Path | None:
    """Return the cgroup below which nodes may have theirs, None where that cannot be."""
    lines = Path("/proc/self/cgroup").read_text() if entries is None else entries
    paths = [line[3:] for line in lines.splitlines() if line.startswith("0::")]
    if not paths:
        return None
    # A group with processes cannot share out controllers, so the nodes' stands beside ours.
    parent = (root / paths[0].lstrip("/")).parent if paths[0] != "/" else root
    if not set(CONTROLLERS) <= _controllers(parent):
        return None
    try:
        (parent / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in CONTROLLERS))
        folder = parent / "compute-nodes"
        folder.mkdir(exist_ok=True)
        (folder / "cgroup.subtree_control").write_text(" ".join(f"+{c}" for c in CONTROLLERS))
    except OSError:
        return None
    return folder


def limit(folder: Path, name: str, cpu: float, memory: int) -> Path:
    """Make the cgroup of a node: cores and bytes, 0 for no limit. Raises OSError."""
    group = folder / name
    group.mkdir(exist_ok=True)
    if cpu:
        (group / "cpu.max").write_text(f"{round(cpu * PERIOD)} {PERIOD}")
    if memory:
        (group / "memory.max").write_text(str(memory))
        (group / "memory.oom.group").write_text("0")
    return group


def remove(folder: Path, name: str) -> None:
    """End what is left in the cgroup of a node and remove it, if it is there."""
    group = folder / name
    if group.is_dir():
        (group / "cgroup.kill").write_text("1")
        group.rmdir()


def _controllers(group: Path) -> set[str]:
    try:
        return set((group / "cgroup.controllers").read_text().split())
    except OSError:
        return set()
