"""A cluster for tests: a control plane, a kubelet, two machines, and namespaces to be alone in."""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kubernetes import client
from kubernetes.client.exceptions import ApiException

from compute.testing.kube.kubelet import Kubelet
from compute.testing.kube.plane import ControlPlane, control_plane, until

ON_DEMAND, SPOT = "machine-on-demand", "machine-spot"


class Cluster:
    """A control plane and the kubelet of its machines."""

    def __init__(self, plane: ControlPlane, kubelet: Kubelet) -> None:
        self.plane, self.kubelet = plane, kubelet
        self.core = client.CoreV1Api(plane.admin)

    def namespace(self) -> "Namespace":
        """Make a namespace of a fresh name and wait until pods can be made in it."""
        made = Namespace(self, f"test-{uuid.uuid4().hex[:8]}")
        self.core.create_namespace({"metadata": {"name": made.name}})
        until(made.usable, "the default service account")
        return made

    def drain(self, machine: str, namespace: str) -> None:
        """Do what `kubectl drain` does: no new pods on the machine, evict those it runs."""
        self.core.patch_node(machine, {"spec": {"unschedulable": True}})
        on_machine = f"spec.nodeName={machine}"
        for pod in self.core.list_namespaced_pod(namespace, field_selector=on_machine).items:
            eviction = {
                "apiVersion": "policy/v1beta1",
                "metadata": {"name": pod.metadata.name, "namespace": namespace},
            }
            self.core.create_namespaced_pod_eviction(pod.metadata.name, namespace, eviction)

    def uncordon(self, machine: str) -> None:
        """Let pods be assigned to the machine again."""
        self.core.patch_node(machine, {"spec": {"unschedulable": False}})


@dataclass(frozen=True)
class Namespace:
    """A namespace of a test."""

    cluster: Cluster
    name: str

    @property
    def core(self) -> client.CoreV1Api:
        """A client that may do everything."""
        return self.cluster.core

    def usable(self) -> bool:
        """Tell whether pods can be made."""
        try:
            account = self.core.read_namespaced_service_account("default", self.name)
        except ApiException:
            return False
        return bool(account.secrets)

    def pods(self) -> dict[str, client.V1Pod]:
        """Return the pods by name."""
        return {p.metadata.name: p for p in self.core.list_namespaced_pod(self.name).items}

    def sleeper(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Make a pod that does nothing."""
        container = {"name": "main", "image": "none", "command": ["sleep", "1000"]}
        spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
        metadata = {"name": name, "labels": dict(labels or {})}
        self.core.create_namespaced_pod(self.name, {"metadata": metadata, "spec": spec})

    def quota(self, pods: int) -> None:
        """Allow so many pods and no more."""
        self._quota("pods", {"hard": {"pods": str(pods)}})

    def priority_quota(self, priority_class: str, pods: int) -> None:
        """Allow so many pods of a priority class, which is made, and any number of others."""
        scheduling = client.SchedulingV1Api(self.cluster.plane.admin)
        scheduling.create_priority_class({"metadata": {"name": priority_class}, "value": 1})
        scope = {"scopeName": "PriorityClass", "operator": "In", "values": [priority_class]}
        selector = {"matchExpressions": [scope]}
        self._quota(priority_class, {"hard": {"pods": str(pods)}, "scopeSelector": selector})

    def _quota(self, name: str, spec: Mapping[str, Any]) -> None:
        body = {"metadata": {"name": name}, "spec": spec}
        self.core.create_namespaced_resource_quota(self.name, body)

        def counted() -> bool:
            found = self.core.read_namespaced_resource_quota(name, self.name).status
            return found is not None and found.hard == spec["hard"]

        until(counted, "the quota")

    def account(self, role: Mapping[str, Any]) -> str:
        """Make a service account that has the rights of a Role, and return a token of it."""
        rights = client.RbacAuthorizationV1Api(self.cluster.plane.admin)
        name = role["metadata"]["name"]
        self.core.create_namespaced_service_account(self.name, {"metadata": {"name": name}})
        rights.create_namespaced_role(self.name, dict(role))
        binding = {
            "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": self.name}],
        }
        rights.create_namespaced_role_binding(self.name, binding)
        request = {"spec": {"audiences": [], "expirationSeconds": 3600}}
        answer = self.core.create_namespaced_service_account_token(name, self.name, request)
        return str(answer.status.token)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Run a cluster; raises AssetsError when its programs cannot be had."""
    with control_plane() as plane:
        logs = plane.folder / "pods"
        logs.mkdir()
        kubelet = Kubelet(plane.admin, logs)
        kubelet.start()
        try:
            kubelet.node(ON_DEMAND)
            kubelet.node(SPOT, spot=True)
            yield Cluster(plane, kubelet)
        finally:
            kubelet.stop()
