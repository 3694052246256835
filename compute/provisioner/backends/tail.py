"""Showing what the nodes of this machine write to their logs, line by line."""

from collections.abc import Callable
from pathlib import Path


class Tail:
    """Remembers how far each log was shown; what is there at first is not shown."""

    def __init__(self, folder: Path, say: Callable[[str], None]) -> None:
        self._folder, self._say = folder, say
        self._shown = {path: path.stat().st_size for path in self._logs()}

    def show(self) -> None:
        """Say each whole line that is new as `<node> | <line>`."""
        for path in self._logs():
            with path.open("rb") as log:
                log.seek(self._shown.get(path, 0))
                whole, _, _ = log.read().rpartition(b"\n")
            if whole:
                self._shown[path] = self._shown.get(path, 0) + len(whole) + 1
                for line in whole.decode(errors="replace").splitlines():
                    self._say(f"{path.parent.name} | {line}")

    def _logs(self) -> list[Path]:
        return sorted(self._folder.glob("*/log"))
