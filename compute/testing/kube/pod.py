"""One pod as local processes, from its assignment to its removal."""

import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException

from compute.testing.kube.container import Container, environment

AWAY = (ApiException, urllib3.exceptions.HTTPError, OSError)
"""What calls to an API server end in that refuses them or is being killed."""

POLL_SECONDS = 0.05
IP = "127.0.0.1"


class Pod:
    """Starts the containers, shows how they are, ends them when the pod is deleted."""

    def __init__(
        self, core: client.CoreV1Api, pod: Mapping[str, Any], logs: Path, lifeline: int
    ) -> None:
        self._core, self._pod, self._logs, self._lifeline = core, pod, logs, lifeline
        self._namespace = pod["metadata"]["namespace"]
        self._name, self._uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        self._containers: list[Container] = []
        self._shown: dict[str, Any] = {}
        self._deleted, self._gone = threading.Event(), threading.Event()
        self._grace = 0.0
        self._thread = threading.Thread(target=self._run, name=f"pod-{self._name}", daemon=True)
        self._thread.start()

    def seen(self, kind: str, pod: Mapping[str, Any]) -> None:
        """Take in what the API server says of the pod."""
        if kind == "DELETED":
            self.gone()
        elif pod["metadata"].get("deletionTimestamp"):
            self._grace = pod["metadata"].get("deletionGracePeriodSeconds", 30)
            self._deleted.set()

    def gone(self) -> None:
        """Kill the containers: the pod is not there any more."""
        self._gone.set()

    def join(self) -> None:
        """Wait until no process of the pod is left."""
        self._thread.join()

    def _run(self) -> None:
        try:
            self._start()
            while not self._gone.is_set():
                if self._deleted.is_set():
                    self._end()
                    return
                self._show()
                self._gone.wait(POLL_SECONDS)
        finally:
            for container in self._containers:
                container.kill()

    def _start(self) -> None:
        for spec in self._pod["spec"]["containers"]:
            log = self._logs / f"{self._namespace}.{self._name}.{spec['name']}.log"
            try:
                variables = environment(self._core, self._pod, spec)
                self._containers.append(Container(spec, variables, log, self._lifeline))
            except AWAY as error:
                log.write_text(f"not started: {error}\n")

    def _show(self) -> None:
        containers = [container.status() for container in self._containers]
        complete = len(containers) == len(self._pod["spec"]["containers"])
        phase = _phase(containers) if complete else "Failed"
        status = {
            "phase": phase,
            "podIP": IP,
            "podIPs": [{"ip": IP}],
            "containerStatuses": containers,
            "conditions": [{"type": "Ready", "status": str(phase == "Running")}],
        }
        if status == self._shown:
            return
        try:
            self._core.patch_namespaced_pod_status(self._name, self._namespace, {"status": status})
            self._shown = status
        except AWAY:
            self._gone.wait(POLL_SECONDS)

    def _end(self) -> None:
        for container in self._containers:
            container.signal(signal.SIGTERM)
        deadline = time.monotonic() + self._grace
        while time.monotonic() < deadline and not self._gone.is_set():
            if all(container.process.poll() is not None for container in self._containers):
                break
            time.sleep(POLL_SECONDS)
        for container in self._containers:
            container.kill()
        self._remove()

    def _remove(self) -> None:
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._uid}}
        while not self._gone.is_set():
            try:
                self._core.delete_namespaced_pod(self._name, self._namespace, body=body)
                return
            except ApiException as error:
                if error.status in (404, 409):
                    return
            except AWAY:
                pass
            self._gone.wait(POLL_SECONDS)


def _phase(containers: list[dict[str, Any]]) -> str:
    ended = [c["state"]["terminated"]["exitCode"] for c in containers if "terminated" in c["state"]]
    if len(ended) < len(containers):
        return "Running"
    return "Failed" if any(ended) else "Succeeded"
