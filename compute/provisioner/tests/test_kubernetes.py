"""The whole service with its nodes as pods, on a real Kubernetes control plane."""

import sys

import numpy as np
import pytest
import xarray as xr

from compute.provisioner.backends.tests.conftest import ROLE
from compute.provisioner.tests.held import Held
from compute.provisioner.tests.plant import Plant, archive_file, plant
from compute.testing import client
from compute.testing.kube.cluster import SPOT, Cluster
from compute.testing.kube.plane import until
from compute.tests.waiting import eventually

pytestmark = [pytest.mark.kubernetes, pytest.mark.integration]

CHEAP = "cheap"
OTHER_SPOT = "machine-spot-2"
BIG = 10_000_000
"""Bytes above which a job gets a dask cluster."""


@pytest.fixture(scope="module")
def namespace(cluster: Cluster):
    return cluster.namespace()


@pytest.fixture(scope="module")
def service(namespace, tmp_path_factory):
    """The service; its pods have its settings from a ConfigMap and a Secret."""
    token = namespace.account(ROLE)
    settings = {
        "KUBECONFIG": str(
            namespace.cluster.plane.kubeconfig(namespace.name, token, namespace.name)
        ),
        "COMPUTE_KUBERNETES_COMMAND": f"{sys.executable},-m,compute",
        "COMPUTE_KUBERNETES_CONFIG_MAP": "settings",
        "COMPUTE_KUBERNETES_SECRET": "secrets",
        "COMPUTE_CONTAINER_IMAGE": "compute:test",
        "COMPUTE_WORKER_THREADS": "1",
        "COMPUTE_DASK_THRESHOLD": str(BIG),
    }

    def share(given):
        own = {name: value for name, value in given.items() if name.startswith("COMPUTE_")}
        secret = {"COMPUTE_SECRET_KEY": own.pop("COMPUTE_SECRET_KEY")}
        core = namespace.core
        core.create_namespaced_config_map(
            namespace.name, {"metadata": {"name": "settings"}, "data": own}
        )
        core.create_namespaced_secret(
            namespace.name, {"metadata": {"name": "secrets"}, "stringData": secret}
        )
        return {}

    with plant(tmp_path_factory.mktemp("kubernetes"), settings, share=share) as running:
        yield running


@pytest.fixture
def pool(service, namespace):
    """Make pools that are gone, with all their pods, when the test has ended."""
    made = []

    def make(name, **fields):
        made.append(name)
        service.pool(name, backend="kubernetes", **fields)

    yield make
    for name in reversed(made):
        service.remove_pool(name)
    eventually(lambda: not ours(namespace), 30)


def ours(namespace):
    pods = namespace.pods().values()
    return [pod for pod in pods if "compute.io/pool" in (pod.metadata.labels or {})]


@pytest.fixture
def held(tmp_path):
    made = Held(tmp_path / "remote")
    yield made
    made.end()


def most_at_once(nodes):
    """Return how many nodes were there at the same time, at most."""
    times = [(node["started"], 1) for node in nodes if node["started"]]
    times += [(node["ended"], -1) for node in nodes if node["ended"]]
    count, most = 0, 0
    for _, step in sorted(times):
        count += step
        most = max(most, count)
    return most


def test_a_burst_of_jobs_brings_as_many_nodes_as_may_be_and_then_none(service, namespace, pool):
    pool("burst", maximum=3, capacity="spot")
    path = archive_file(service)
    jobs = [service.mean(path) for _ in range(40)]

    service.all_succeed(jobs, 180)
    eventually(lambda: not service.present(), 30)
    eventually(lambda: not ours(namespace), 30)
    assert most_at_once(service.nodes(pool="burst")) == 3
    assert {node["state"] for node in service.nodes(pool="burst")} == {"stopped"}


def test_a_drained_spot_machine_hands_its_job_over_to_another(service, namespace, pool, held):
    pool("spot", maximum=1, capacity="spot", grace_seconds=5)
    cluster = namespace.cluster
    job = service.mean(held.address)
    assert held.asked.wait(60)
    (first,) = service.present()
    assert namespace.pods()[first["name"]].spec.node_name == SPOT

    cluster.kubelet.node(OTHER_SPOT, spot=True)
    cluster.drain(SPOT, namespace.name)
    try:
        second = eventually(lambda: [n for n in service.present() if n["name"] != first["name"]])
        held.let_go()
        service.all_succeed([job], 120)
        (row,) = service.nodes(name=first["name"])
        assert row["interrupted"]
        assert namespace.pods()[second[0]["name"]].spec.node_name == OTHER_SPOT
    finally:
        cluster.uncordon(SPOT)
        cluster.core.delete_node(OTHER_SPOT)
    assert "handed back by its worker" in client.messages(service.url, job)


def test_an_api_server_that_is_away_for_a_while_costs_nothing_but_time(
    service, namespace, pool, held
):
    pool("steady", maximum=2)
    plane = namespace.cluster.plane
    job = service.mean(held.address)
    assert held.asked.wait(60)
    (node,) = service.present()
    plane.server.kill()
    try:
        eventually(lambda: "backend away" in service.log.read_text(), 30)
        later = service.mean(archive_file(service))
        held.let_go()
        service.all_succeed([job], 120)
    finally:
        plane.restart_server()
    service.all_succeed([later], 120)
    assert {row["state"] for row in service.nodes(pool="steady")} <= {
        "ready",
        "draining",
        "stopped",
    }
    assert node["name"] in {row["name"] for row in service.nodes(pool="steady")}


def test_a_provisioner_killed_in_every_phase_costs_nothing_but_time(service, namespace, pool):
    pool("phases", maximum=2)
    path = archive_file(service)
    jobs = [service.mean(path) for _ in range(8)]
    most = 0
    for phase in ("requested", "started", "ready", "draining", "stopped"):
        eventually(lambda phase=phase: happened(service, phase, "phases"), 60)
        service.provisioner.kill()
        most = max(most, len(ours(namespace)))
        leaders = service.count("provisioner leads")
        service.provisioner.start()
        eventually(lambda leaders=leaders: service.count("provisioner leads") > leaders, 60)

    service.all_succeed(jobs, 180)
    eventually(lambda: not ours(namespace), 60)
    assert most <= 2
    assert {node["state"] for node in service.nodes(pool="phases")} == {"stopped"}


def happened(service: Plant, reason: str, pool: str) -> bool:
    return any(event["pool"] == pool for event in service.events(reason))


def test_a_quota_opens_the_circuit_and_the_fallback_takes_the_jobs(service, namespace, pool):
    namespace.priority_quota(CHEAP, pods=0)
    pool("dear", maximum=1)
    pool("cheap", maximum=1, priority_class=CHEAP, fallback="dear", failures=2, retry_seconds=600)
    job = service.mean(archive_file(service))

    service.all_succeed([job], 120)
    assert service.get("pools/cheap")["circuit"] == "open"
    assert any("exceeded quota" in event["text"] for event in service.events("refused"))
    assert [node["state"] for node in service.nodes(pool="dear")] in (["ready"], ["stopped"])


def test_a_big_job_computes_on_a_scheduler_on_demand_and_spot_workers(service, namespace, pool):
    pool("small", maximum=1)
    pool("dask", role="dask", maximum=1, price_per_hour=2)
    pool("dask-spot", role="dask", maximum=2, capacity="spot", bytes_per_node=BIG, price_per_hour=1)
    path = service.data_dir / "archive" / "big.nc"
    data = np.random.default_rng(0).normal(size=(BIG // 500_000, 200, 500))
    xr.Dataset({"tas": (("time", "lat", "lon"), data)}, {"lat": range(200)}).to_netcdf(path)
    job = service.mean(path)

    service.all_succeed([job], 180)
    said = client.messages(service.url, job)
    assert "computing on a dask cluster" in said
    assert not any("failed" in message for message in said)
    capacities = {node["name"][-2:]: node["capacity"] for node in service.nodes()}
    assert {capacities[end] for end in ("-s", "w0", "w1")} == {"on-demand", "spot"}
    eventually(lambda: not [n for n in service.present() if n["name"].startswith("dask")], 60)
    eventually(lambda: any(row["name"] == job for row in service.get("usage?by=job")["items"]), 30)


def test_a_rogue_pod_goes_and_a_foreign_one_stays(service, namespace, pool):
    pool("any", maximum=1)
    namespace.sleeper("foreign")
    namespace.sleeper("rogue", {"compute.io/pool": "any", "compute.io/instance": "compute"})

    eventually(lambda: "rogue" not in namespace.pods(), 30)
    assert "foreign" in namespace.pods()
    until(lambda: namespace.pods()["foreign"].status.phase == "Running", "the foreign pod", 20)
    namespace.core.delete_namespaced_pod("foreign", namespace.name)
