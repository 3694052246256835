"""A backend whose nodes are files, so that what one process starts another one sees."""

import json
from pathlib import Path

from compute.provisioner.backends.base import NodeSpec, Observed, StartRefused


class FolderBackend:
    """Each node is a file; tests write how it is. A file `full` refuses every start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def start(self, spec: NodeSpec) -> str:
        if (self.folder / "full").exists():
            raise StartRefused("no room is left", transient=True)
        path = self.folder / f"{spec.name}.node"
        if not path.exists():
            (self.folder / f"{spec.name}.started").touch()
            self.put(spec.name, spec.pool, "running")
        return f"file-{spec.name}"

    def observe(self) -> list[Observed]:
        return [Observed(**json.loads(p.read_text())) for p in self.folder.glob("*.node")]

    def stop(self, name: str, grace_seconds: float) -> None:
        (self.folder / f"{name}.node").unlink(missing_ok=True)

    def put(self, name: str, pool: str, phase: str, interrupted: bool = False) -> None:
        """Have a node look like this."""
        text = json.dumps({"name": name, "pool": pool, "phase": phase, "interrupted": interrupted})
        (written := self.folder / f"{name}.new").write_text(text)
        written.replace(self.folder / f"{name}.node")

    @property
    def names(self) -> set[str]:
        return {path.stem for path in self.folder.glob("*.node")}

    @property
    def starts(self) -> set[str]:
        """Names of the nodes that were ever started."""
        return {path.stem for path in self.folder.glob("*.started")}
