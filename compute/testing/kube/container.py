"""One container of a pod as a process group of this machine, with the environment it asks for."""

import base64
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubernetes import client

from compute.guard import guarded

Manifest = Mapping[str, Any]


class Container:
    """A running or ended container; its output goes to a log file."""

    def __init__(self, spec: Manifest, environment: dict[str, str], log: Path, lifeline: int):
        """Start it; it ends when the pipe `lifeline` is closed. OSError if it names no command."""
        self.name = spec["name"]
        command = [*spec.get("command", []), *spec.get("args", [])]
        if not command:
            raise OSError(f"container {self.name} names no command, and images are not read here")
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                guarded(lifeline, command),
                env=environment,
                pass_fds=(lifeline,),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def signal(self, number: int) -> None:
        """Send a signal to the container's first process, as a container runtime does."""
        if self.process.poll() is None:
            self.process.send_signal(number)

    def kill(self) -> None:
        """End all processes of the container."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        self.process.wait()

    def status(self) -> dict[str, Any]:
        """Return the container's part of the pod's status."""
        code = self.process.poll()
        state: dict[str, Any] = {"running": {}}
        if code is not None:
            # A shell's way to show the number of the signal that ended it.
            shown = code if code >= 0 else 128 - code
            reason = "Error" if shown else "Completed"
            state = {"terminated": {"exitCode": shown, "reason": reason}}
        return {
            "name": self.name,
            "ready": code is None,
            "started": code is None,
            "restartCount": 0,
            "image": "",
            "imageID": "",
            "state": state,
        }


def environment(core: client.CoreV1Api, pod: Manifest, spec: Manifest) -> dict[str, str]:
    """Return the environment a container declares: values, ConfigMaps, Secrets and pod fields.

    PATH is added, since there is no image to bring one.
    """
    source = _Source(core, pod)
    found = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    for entry in spec.get("envFrom", []):
        found |= source.all(entry)
    for entry in spec.get("env", []):
        found[entry["name"]] = entry.get("value", "") or source.one(entry.get("valueFrom", {}))
    return found


class _Source:
    def __init__(self, core: client.CoreV1Api, pod: Manifest) -> None:
        self._core, self._pod = core, pod
        self._namespace = pod["metadata"]["namespace"]

    def all(self, entry: Manifest) -> dict[str, str]:
        if named := entry.get("configMapRef"):
            return self._config_map(named["name"])
        return self._secret(entry["secretRef"]["name"])

    def one(self, source: Manifest) -> str:
        match source:
            case {"fieldRef": {"fieldPath": path}}:
                value: Any = {**self._pod, "status": {"podIP": "127.0.0.1"}}
                for key in path.split("."):
                    value = value.get(key, "")
                return str(value)
            case {"configMapKeyRef": {"name": name, "key": key}}:
                return self._config_map(name)[key]
            case {"secretKeyRef": {"name": name, "key": key}}:
                return self._secret(name)[key]
        return ""

    def _config_map(self, name: str) -> dict[str, str]:
        return dict(self._core.read_namespaced_config_map(name, self._namespace).data or {})

    def _secret(self, name: str) -> dict[str, str]:
        data = self._core.read_namespaced_secret(name, self._namespace).data or {}
        return {key: base64.b64decode(value).decode() for key, value in data.items()}
