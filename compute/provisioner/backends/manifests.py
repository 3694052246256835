"""The pod of a node, made from values alone; nothing here talks to Kubernetes.

Pods keep to the `restricted` profile of the Pod Security Standards, write only to `/tmp` and the
volumes of the deployment, and carry no token of a service account.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compute.provisioner.backends.base import NodeSpec

Manifest = dict[str, Any]

DOMAIN = "compute.io"
POOL, NODE, JOB, OWNER, INSTANCE = (
    f"{DOMAIN}/{name}" for name in ("pool", "node", "job", "owner", "instance")
)
CONTAINER = "compute"
SCRATCH = "/tmp"  # noqa: S108  (an empty folder of the pod's own)

SPOT = {
    "karpenter.sh/capacity-type": "spot",
    "eks.amazonaws.com/capacityType": "SPOT",
    "cloud.google.com/gke-spot": "true",
    "kubernetes.azure.com/scalesetpriority": "spot",
}
"""Labels by which providers mark machines of spot capacity."""

SPOT_TAINTS = ("spot", "cloud.google.com/gke-spot", "kubernetes.azure.com/scalesetpriority")
"""Taints that keep pods off such machines unless they tolerate it."""

GPU = "nvidia.com/gpu"

WORKER_GRACE = 0.8
"""The part of a pod's grace its worker takes to end, so that it is not killed while it does."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """What all pods of one installation share.

    `instance` tells its pods from those of another one in the namespace. `config_map` and `secret`
    name what their environment is read from, `volumes` and `mounts` are entries of a pod's
    `volumes` and a container's `volumeMounts`. `command` starts the `compute` program.
    """

    instance: str = "compute"
    image: str = ""
    config_map: str = ""
    secret: str = ""
    service_account: str = ""
    volumes: Sequence[Mapping[str, Any]] = ()
    mounts: Sequence[Mapping[str, Any]] = ()
    command: Sequence[str] = ("compute",)


def selector(deployment: Deployment) -> str:
    """Return the label selector of all pods of the installation."""
    return f"{POOL},{INSTANCE}={deployment.instance}"


def pod(spec: NodeSpec, deployment: Deployment) -> Manifest:
    """Return the pod in which a node runs."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": spec.name,
            "labels": _labels(spec, deployment),
            "annotations": {OWNER: spec.owner} if spec.owner else {},
        },
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": math.ceil(spec.grace_seconds),
            "securityContext": {
                "runAsNonRoot": True,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "affinity": {"nodeAffinity": _affinity(spec.capacity)},
            "tolerations": _tolerations(spec),
            **_given(
                serviceAccountName=deployment.service_account,
                nodeSelector=dict(spec.node_selector),
                priorityClassName=spec.priority_class,
            ),
            "containers": [_container(spec, deployment)],
            "volumes": [{"name": "scratch", "emptyDir": {}}, *map(dict, deployment.volumes)],
        },
    }


def label_value(text: str) -> str:
    """Return the text as a label's value: at most 63 letters, digits, `-`, `_` and `.`."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", text)[:63].strip("-_.")


def _labels(spec: NodeSpec, deployment: Deployment) -> dict[str, str]:
    own = {
        "app.kubernetes.io/name": "compute",
        "app.kubernetes.io/component": spec.role,
        "app.kubernetes.io/managed-by": "compute-provisioner",
        INSTANCE: deployment.instance,
        POOL: spec.pool,
        NODE: spec.name,
        **_given(**{JOB: label_value(spec.job), OWNER: label_value(spec.owner)}),
    }
    return {**{key: label_value(value) for key, value in spec.labels.items()}, **own}


def _container(spec: NodeSpec, deployment: Deployment) -> Manifest:
    sources: list[Manifest] = []
    if deployment.config_map:
        sources.append({"configMapRef": {"name": deployment.config_map}})
    if deployment.secret:
        sources.append({"secretRef": {"name": deployment.secret}})
    environment = _environment(spec)
    return {
        "name": CONTAINER,
        "image": spec.image or deployment.image,
        "command": [*deployment.command, *spec.arguments],
        "env": [{"name": name, "value": environment[name]} for name in sorted(environment)],
        **_given(envFrom=sources),
        "resources": _resources(spec),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "scratch", "mountPath": SCRATCH},
            *map(dict, deployment.mounts),
        ],
    }


def _environment(spec: NodeSpec) -> dict[str, str]:
    """Return what the node must know; the machine it runs on may be larger than its pod."""
    return {
        "HOME": SCRATCH,
        "TMPDIR": SCRATCH,
        **_given(COMPUTE_WORKER_THREADS=str(math.ceil(spec.cpu)) if spec.cpu else ""),
        **spec.environment,
        "COMPUTE_GRACE_SECONDS": f"{WORKER_GRACE * max(spec.grace_seconds, 1):g}",
        "COMPUTE_NODE": spec.name,
    }


def _resources(spec: NodeSpec) -> Manifest:
    """Return requests equal to limits, so that such a pod is the last to be evicted."""
    amounts = _given(
        cpu=f"{round(spec.cpu * 1000)}m" if spec.cpu else "",
        memory=str(spec.memory) if spec.memory else "",
        **{GPU: str(spec.gpu) if spec.gpu else ""},
    )
    return {"requests": amounts, "limits": amounts} if amounts else {}


def _affinity(capacity: str) -> Manifest:
    """Return the affinity to machines of the capacity paid for, whoever provides them."""
    if capacity == "spot":
        terms = [
            {"matchExpressions": [{"key": key, "operator": "In", "values": [value]}]}
            for key, value in SPOT.items()
        ]
    else:
        others = [
            {"key": key, "operator": "NotIn", "values": [value]} for key, value in SPOT.items()
        ]
        terms = [{"matchExpressions": others}]
    return {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}


def _tolerations(spec: NodeSpec) -> list[Manifest]:
    own = [{k: v for k, v in t.items() if v not in ("", None)} for t in spec.tolerations]
    taints = SPOT_TAINTS if spec.capacity == "spot" else ()
    return own + [{"key": key, "operator": "Exists", "effect": "NoSchedule"} for key in taints]


def _given(**fields: Any) -> Manifest:
    """Return the fields that hold something."""
    return {name: value for name, value in fields.items() if value}
