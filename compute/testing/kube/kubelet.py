"""A kubelet for tests: its nodes are only names, and pods assigned to them are local processes.

Images, volumes, probes and networks are not looked at; every pod has the address 127.0.0.1.
"""

import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kubernetes import client, watch

from compute.testing.kube.pod import AWAY, IP, Pod

POLL_SECONDS = 0.1
WATCH_SECONDS = 3
CAPACITY = {"cpu": "32", "memory": "64Gi", "pods": "110", "nvidia.com/gpu": "4"}


class Kubelet:
    """Runs the pods of the nodes it registers, until `stop`."""

    def __init__(self, api: client.ApiClient, logs: Path) -> None:
        self._core, self._logs = client.CoreV1Api(api), logs
        self._nodes: set[str] = set()
        self._pods: dict[str, Pod] = {}
        # Containers end when the other end of this pipe is closed, even by our being killed.
        self._lifeline, self._held = os.pipe()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubelet", daemon=True)

    def start(self) -> None:
        """Run pods from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Kill every pod and run no more."""
        self._stopping.set()
        self._thread.join()
        for pod in self._pods.values():
            pod.gone()
        for pod in self._pods.values():
            pod.join()
        os.close(self._held)
        os.close(self._lifeline)

    def node(self, name: str, spot: bool = False) -> None:
        """Register a node; one of spot capacity has the label and the taint of such."""
        kind = "spot" if spot else "on-demand"
        taints = [{"key": "spot", "value": "true", "effect": "NoSchedule"}] if spot else []
        labels = {"kubernetes.io/hostname": name, "karpenter.sh/capacity-type": kind}
        self._core.create_node({"metadata": {"name": name, "labels": labels}})
        # The server taints new nodes until a controller that does not run here finds them ready.
        self._core.patch_node(name, {"spec": {"taints": taints}})
        status = {
            "capacity": CAPACITY,
            "allocatable": CAPACITY,
            "addresses": [{"type": "InternalIP", "address": IP}],
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
        }
        self._core.patch_node_status(name, {"status": status})
        self._nodes.add(name)

    def log(self, namespace: str, name: str) -> str:
        """Return what the containers of a pod have written."""
        files = sorted(self._logs.glob(f"{namespace}.{name}.*"))
        return "".join(file.read_text(errors="replace") for file in files)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                found = self._core.list_pod_for_all_namespaces(_preload_content=False).json()
                present = {pod["metadata"]["uid"] for pod in found["items"]}
                for uid in self._pods.keys() - present:
                    self._pods[uid].gone()
                for pod in found["items"]:
                    self._seen("ADDED", pod)
                self._follow(found["metadata"]["resourceVersion"])
            except AWAY:
                self._stopping.wait(POLL_SECONDS)

    def _follow(self, version: str) -> None:
        """Take up what happens to pods, for a while."""
        events = watch.Watch().stream(
            self._core.list_pod_for_all_namespaces,
            resource_version=version,
            timeout_seconds=WATCH_SECONDS,
            deserialize=False,
        )
        for event in events:
            if self._stopping.is_set():
                return
            self._seen(event["type"], event["object"])

    def _seen(self, kind: str, pod: Mapping[str, Any]) -> None:
        if pod.get("spec", {}).get("nodeName") not in self._nodes:
            return
        uid = pod["metadata"]["uid"]
        if uid not in self._pods and pod.get("status", {}).get("phase") in ("Pending", "Running"):
            self._pods[uid] = Pod(self._core, pod, self._logs, self._lifeline)
        if known := self._pods.get(uid):
            known.seen(kind, pod)
