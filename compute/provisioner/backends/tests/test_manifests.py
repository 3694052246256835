import json
from dataclasses import replace

import kubernetes_validate
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute.provisioner.backends.base import NodeSpec
from compute.provisioner.backends.manifests import SPOT, Deployment, label_value, pod

FULL = NodeSpec(
    name="spot-1a2b",
    pool="spot",
    queue="ingress",
    owner="https://idp.example.org/alice@example.org",
    labels={"team": "ocean models"},
    cpu=1.5,
    memory=2**30,
    gpu=1,
    image="registry.example.org/compute:1",
    capacity="spot",
    node_selector={"disk": "ssd"},
    tolerations=[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    priority_class="batch",
    grace_seconds=25.5,
    environment={"COMPUTE_LOG_LEVEL": "DEBUG"},
    job="0b3f2e7e-0000-0000-0000-000000000000",
)
DEPLOYMENT = Deployment(
    instance="atlas",
    image="registry.example.org/compute:2",
    config_map="atlas-config",
    secret="atlas-secret",
    service_account="atlas-worker",
    volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "atlas-data"}}],
    mounts=[{"name": "data", "mountPath": "/data"}],
)


@pytest.mark.parametrize("version", ["1.25", "1.37"])
@pytest.mark.parametrize("spec", [NodeSpec("a", "a"), FULL], ids=["least", "full"])
@pytest.mark.parametrize("deployment", [Deployment(image="i"), DEPLOYMENT], ids=["bare", "full"])
def test_a_pod_is_valid_for_the_oldest_and_the_newest_server(version, spec, deployment):
    kubernetes_validate.validate(pod(spec, deployment), version, strict=True)


def test_the_validation_refuses_fields_that_do_not_exist():
    wrong = pod(FULL, DEPLOYMENT)
    wrong["spec"]["nodeSelectors"] = {}

    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_a_pod_holds_everything_its_node_asks_for():
    made = pod(FULL, DEPLOYMENT)

    assert made["metadata"]["labels"] == {
        "app.kubernetes.io/name": "compute",
        "app.kubernetes.io/component": "worker",
        "app.kubernetes.io/managed-by": "compute-provisioner",
        "compute.io/instance": "atlas",
        "compute.io/pool": "spot",
        "compute.io/node": "spot-1a2b",
        "compute.io/job": "0b3f2e7e-0000-0000-0000-000000000000",
        "compute.io/owner": "https---idp.example.org-alice-example.org",
        "team": "ocean-models",
    }
    assert made["metadata"]["annotations"]["compute.io/owner"] == FULL.owner
    spec, (container,) = made["spec"], made["spec"]["containers"]
    assert spec["terminationGracePeriodSeconds"] == 26
    assert spec["nodeSelector"] == {"disk": "ssd"}
    assert spec["priorityClassName"] == "batch"
    assert spec["serviceAccountName"] == "atlas-worker"
    assert container["image"] == FULL.image
    assert container["command"] == ["compute", *FULL.arguments]
    amounts = {"cpu": "1500m", "memory": str(2**30), "nvidia.com/gpu": "1"}
    assert container["resources"] == {"requests": amounts, "limits": amounts}
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    assert environment["COMPUTE_NODE"] == "spot-1a2b"
    assert environment["COMPUTE_LOG_LEVEL"] == "DEBUG"
    assert environment["COMPUTE_WORKER_THREADS"] == "2"
    assert float(environment["COMPUTE_GRACE_SECONDS"]) < FULL.grace_seconds
    assert container["envFrom"] == [
        {"configMapRef": {"name": "atlas-config"}},
        {"secretRef": {"name": "atlas-secret"}},
    ]


def test_a_pod_keeps_to_the_restricted_profile_and_writes_only_where_it_may():
    spec = pod(FULL, DEPLOYMENT)["spec"]
    (container,) = spec["containers"]

    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp", "/data"]
    assert {volume["name"] for volume in spec["volumes"]} == {"scratch", "data"}


def test_the_image_of_the_deployment_is_used_where_the_pool_names_none():
    (container,) = pod(replace(FULL, image=""), DEPLOYMENT)["spec"]["containers"]

    assert container["image"] == DEPLOYMENT.image


@pytest.mark.parametrize("capacity", ["spot", "on-demand"])
def test_a_node_runs_only_on_machines_of_the_capacity_it_is_paid_for(capacity):
    spec = pod(replace(FULL, capacity=capacity), DEPLOYMENT)["spec"]
    affinity = spec["affinity"]["nodeAffinity"]
    terms = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]

    def fits(labels):
        operators = {"In": lambda e: labels.get(e["key"]) in e["values"]}
        operators["NotIn"] = lambda e: labels.get(e["key"]) not in e["values"]
        return any(all(operators[e["operator"]](e) for e in t["matchExpressions"]) for t in terms)

    assert fits({}) is (capacity == "on-demand")
    for key, value in SPOT.items():
        assert fits({key: value}) is (capacity == "spot")


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=100))
def test_any_text_becomes_a_valid_label_value(text):
    made = pod(replace(FULL, owner=text, labels={"x": text}), DEPLOYMENT)

    assert len(label_value(text)) <= 63
    assert label_value(label_value(text)) == label_value(text)
    json.dumps(made)
    kubernetes_validate.validate(made, "1.37", strict=True)
