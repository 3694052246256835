"""Nodes as pods of one namespace.

Calls made, and thus rights needed, are those of `role.yaml` beside this file.
"""

import json
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import urllib3
import yaml
from kubernetes import client
from kubernetes import config as kubeconfig
from kubernetes.client.exceptions import ApiException
from pydantic import ValidationError

from compute.env import Config
from compute.provisioner.backends import manifests
from compute.provisioner.backends.base import BackendError, NodeSpec, Observed, Phase, StartRefused
from compute.provisioner.backends.manifests import Deployment
from compute.provisioner.backends.watch import BROKEN, Pod, Pods, reason_of, seconds_asked

ANSWER_SECONDS = 5.0
"""How long a call may take: other nodes must not wait for a server that is away."""

WATCH_SECONDS = 1.0
"""How long a watch that has just broken, or begun, is waited for."""

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")

PHASES: Mapping[str, Phase] = {
    "Pending": "pending",
    "Running": "running",
    # Its machine is silent; whether the node still works is for its heartbeat to say.
    "Unknown": "running",
    "Succeeded": "ended",
    "Failed": "failed",
}


class KubernetesBackend:
    """Starts, observes and stops pods; see `base.Backend`."""

    def __init__(self, api: client.ApiClient, namespace: str, deployment: Deployment) -> None:
        self._core = client.CoreV1Api(api)
        self._namespace, self._deployment = namespace, deployment
        self._pods = Pods(self._core, namespace, manifests.selector(deployment))
        self._not_before = 0.0

    def start(self, spec: NodeSpec) -> str:
        """Create the node's pod, unless it is there, and return its uid.

        Raises StartRefused with what the server says, BackendError when it does not answer.
        """
        body = manifests.pod(spec, self._deployment)
        try:
            created = self._call(
                self._core.create_namespaced_pod, self._namespace, body, field_validation="Strict"
            )
        except ValidationError as error:
            # The client looks first; a server without field validation would drop such fields.
            wrong = error.errors()[0]
            place = ".".join(map(str, wrong["loc"][1:]))
            raise StartRefused(f"the pod's {place} is wrong: {wrong['msg']}") from error
        except ApiException as error:
            if error.status == 409 and _cause(error) == "AlreadyExists":
                return self._present(spec)
            raise _refusal(error) from error
        self._pods.put(created)
        return str(created["metadata"]["uid"])

    def observe(self) -> list[Observed]:
        """Return every pod that bears our labels; raises BackendError when that is not known."""
        return [_observed(pod) for pod in self._observed_pods()]

    def stop(self, name: str, grace_seconds: float) -> None:
        """Delete the pod of that name; it has so many seconds from SIGTERM to SIGKILL.

        A pod that is not ours, or not the one that was observed under the name, is left alone.
        """
        seconds = math.ceil(grace_seconds)
        found = {pod["metadata"]["name"]: pod for pod in self._observed_pods()}.get(name)
        if (
            found is None
            or found["metadata"].get("deletionGracePeriodSeconds", math.inf) <= seconds
        ):
            return
        body = {"gracePeriodSeconds": seconds, "preconditions": {"uid": found["metadata"]["uid"]}}
        try:
            self._call(self._core.delete_namespaced_pod, name, self._namespace, body=body)
        except ApiException as error:
            if error.status not in (404, 409):
                raise BackendError(f"pod {name} cannot be deleted: {_text(error)}") from error

    def close(self) -> None:
        """Watch no more; pods go on."""
        self._pods.stop()

    def _observed_pods(self) -> list[Pod]:
        try:
            return self._pods.all(WATCH_SECONDS)
        except ConnectionError as error:
            raise BackendError(f"the Kubernetes API server is away: {error}") from error

    def _present(self, spec: NodeSpec) -> str:
        """Return the uid of the pod that has the node's name; StartRefused when it is not it."""
        try:
            found = self._call(self._core.read_namespaced_pod, spec.name, self._namespace)
        except ApiException as error:
            raise _refusal(error) from error
        labels = found["metadata"].get("labels", {})
        if labels.get(manifests.INSTANCE) != self._deployment.instance:
            raise StartRefused(f"a pod named {spec.name} is there that is not ours")
        if found["metadata"].get("deletionTimestamp"):
            raise StartRefused(f"the last pod named {spec.name} still ends", transient=True)
        self._pods.put(found)
        return str(found["metadata"]["uid"])

    def _call(self, method: Callable[..., urllib3.HTTPResponse], *args: Any, **options: Any) -> Any:
        """Call the API server and return its document; raises ApiException or BackendError.

        A server that asks to be left alone for some seconds is left alone.
        """
        if (left := self._not_before - time.monotonic()) > 0:
            raise BackendError(f"the Kubernetes API server asks to wait {left:.0f} s")
        try:
            answer = method(
                *args, **options, _preload_content=False, _request_timeout=ANSWER_SECONDS
            )
            return answer.json()
        except BROKEN as error:
            status = error.status if isinstance(error, ApiException) else None
            if status is not None and status != 429 and status < 500:
                raise
            self._not_before = time.monotonic() + seconds_asked(error)
            raise BackendError(f"the Kubernetes API server: {reason_of(error)}") from error


def configured(config: Config) -> KubernetesBackend:
    """Return the backend the settings describe; raises BackendError when there is no cluster."""
    api, namespace = connect(config.kubernetes_namespace)
    volumes, mounts = _volumes(config.kubernetes_volumes)
    deployment = Deployment(
        instance=config.kubernetes_instance,
        image=config.container_image,
        config_map=config.kubernetes_config_map,
        secret=config.kubernetes_secret,
        service_account=config.kubernetes_service_account,
        volumes=volumes,
        mounts=mounts,
        command=config.kubernetes_command,
    )
    return KubernetesBackend(api, namespace, deployment)


def connect(namespace: str = "") -> tuple[client.ApiClient, str]:
    """Return a client of the cluster and the namespace to use.

    Inside a cluster these are the cluster's and the pod's own, outside of `~/.kube/config`. Raises
    BackendError when there is neither.
    """
    configuration = client.Configuration(retries=False)
    try:
        if NAMESPACE_FILE.exists():
            kubeconfig.load_incluster_config(client_configuration=configuration)
            return client.ApiClient(configuration), namespace or NAMESPACE_FILE.read_text().strip()
        kubeconfig.load_kube_config(client_configuration=configuration)
        _, current = kubeconfig.list_kube_config_contexts()
    except kubeconfig.ConfigException as error:
        raise BackendError(
            "no Kubernetes cluster: run in one, or name its kubeconfig file in KUBECONFIG"
        ) from error
    context = current["context"].get("namespace", "default")
    return client.ApiClient(configuration), namespace or context


def _volumes(path: Path | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    try:
        document = (yaml.safe_load(path.read_text()) if path else None) or {}
        return list(document.get("volumes", [])), list(document.get("volumeMounts", []))
    except (OSError, yaml.YAMLError, AttributeError, TypeError) as error:
        raise BackendError(
            "COMPUTE_KUBERNETES_VOLUMES is no YAML file with lists `volumes` and `volumeMounts`"
        ) from error


def _observed(pod: Pod) -> Observed:
    metadata, status = pod["metadata"], pod.get("status", {})
    return Observed(
        name=metadata["name"],
        pool=metadata["labels"][manifests.POOL],
        phase=PHASES.get(status.get("phase", "Pending"), "pending"),
        reference=metadata["uid"],
        reason=_reason(status),
        interrupted="deletionTimestamp" in metadata or _disrupted(status),
    )


def _disrupted(status: Mapping[str, Any]) -> bool:
    found = {c["type"]: c["status"] for c in status.get("conditions", [])}
    return found.get("DisruptionTarget") == "True"


def _reason(status: Mapping[str, Any]) -> str:
    """Return what is said of a pod that does not run: by the scheduler, kubelet or its end."""
    if text := status.get("message") or status.get("reason"):
        return str(text)
    for container in status.get("containerStatuses", []):
        for state in (container.get("state", {}).get(s) or {} for s in ("waiting", "terminated")):
            words = [state.get("reason", ""), state.get("message", "")]
            if code := state.get("exitCode"):
                words.append(f"exit code {code}")
            if said := ": ".join(filter(None, words)):
                return said
    messages = (c.get("message") for c in status.get("conditions", []) if c["status"] == "False")
    return next(filter(None, messages), "")


def _refusal(error: ApiException) -> StartRefused:
    """Return what a refused pod means: quota and conflicts pass, a pod that is wrong stays so."""
    text = _text(error)
    passing = error.status in (404, 409) or (error.status == 403 and "quota" in text)
    return StartRefused(text, transient=passing)


def _cause(error: ApiException) -> str:
    return str(_status(error).get("reason", ""))


def _text(error: ApiException) -> str:
    return str(_status(error).get("message") or reason_of(error))


def _status(error: ApiException) -> dict[str, Any]:
    try:
        document = json.loads(error.body or "")
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
