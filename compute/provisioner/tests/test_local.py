"""The whole service with its nodes as processes of this machine."""

import os
import signal
import time
from datetime import datetime

import psutil
import pytest
import requests

from compute.provisioner.tests.held import Held
from compute.provisioner.tests.plant import archive_file, plant
from compute.testing import client
from compute.tests.waiting import eventually

pytestmark = pytest.mark.integration

LEASE_SECONDS = 60.0


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    # Nobody may have to wait for a lease to run out.
    settings = {"COMPUTE_LEASE_SECONDS": str(LEASE_SECONDS), "COMPUTE_WORKER_THREADS": "1"}
    with plant(tmp_path_factory.mktemp("local"), settings) as running:
        running.pool("here", minimum=1, maximum=2, idle_seconds=600, queue="ingress,default")
        yield running


@pytest.fixture
def held(tmp_path):
    made = Held(tmp_path / "remote")
    yield made
    made.end()


def ready(service):
    return [node["name"] for node in service.nodes(state="ready")]


@pytest.fixture
def busy(service, held):
    """Return a job that waits for its source, and the name of the node that runs it."""
    eventually(lambda: ready(service), 90)
    job = service.mean(held.address)
    assert held.asked.wait(60)
    return job, eventually(lambda: next((n["name"] for n in service.nodes() if n["jobs"]), None))


def node(service, name):
    return service.get(f"compute-nodes/{name}")


def test_a_burst_brings_all_nodes_and_their_work_is_accounted_for(service):
    path = archive_file(service)
    jobs = [service.mean(path) for _ in range(8)]
    eventually(lambda: len(service.present()) == 2, 60)
    service.all_succeed(jobs, 120)
    usage = service.get("usage?by=job")
    assert {row["name"] for row in usage["items"]} >= set(jobs)


def test_a_drained_node_finishes_its_job_and_ends(service, busy, held):
    job, name = busy
    answer = service._session.post(f"{service.url}/api/compute-nodes/{name}/drain", json={})
    assert answer.ok, answer.text
    log = service.data_dir / "nodes" / name / "log"
    eventually(lambda: "node drains" in log.read_text())
    assert node(service, name)["state"] == "draining"
    held.let_go()
    service.all_succeed([job], 60)
    assert "handed back" not in str(client.messages(service.url, job))
    eventually(lambda: node(service, name)["state"] == "stopped", 60)
    eventually(lambda: not service.processes(name))


def test_a_notice_hands_the_job_over_while_a_replacement_starts(service, busy, held):
    job, name = busy
    (service.data_dir / "nodes" / name / "NOTICE").touch()
    eventually(lambda: node(service, name)["interrupted"])
    fresh = eventually(lambda: set(ready(service)) - {name}, 90)
    eventually(lambda: node(service, name)["state"] == "stopped", 60)
    held.let_go()
    service.all_succeed([job], 60)
    assert any("handed back" in text for text in client.messages(service.url, job))
    assert fresh


def test_a_node_told_to_end_from_outside_is_interrupted(service, busy, held):
    job, name = busy
    launcher = int(node(service, name)["reference"])
    os.kill(launcher, signal.SIGTERM)
    eventually(lambda: node(service, name)["interrupted"])
    eventually(lambda: node(service, name)["state"] == "stopped", 60)
    held.let_go()
    service.all_succeed([job], 90)


def test_a_killed_node_loses_no_more_than_a_moment_of_its_job(service, busy, held):
    job, name = busy
    killed = time.monotonic()
    service.kill(name)
    lost = "its worker was lost in attempt 1; waiting again"
    eventually(lambda: lost in client.messages(service.url, job), 10)
    assert time.monotonic() - killed < LEASE_SECONDS / 4
    held.let_go()
    service.all_succeed([job], 90)


def test_a_standby_takes_over_within_15_seconds(service):
    first = service.provisioner.processes()[0]
    standby = service._part("provisioner")
    try:
        standby.start()
        eventually(lambda: service.log.read_text().count("metrics served") >= 2, 60)
        service.provisioner.kill()
        killed = datetime.now().astimezone()
        leads = service.log.read_text().count("provisioner leads")
        victim = eventually(lambda: ready(service), 60)[0]
        service.kill(victim)
        eventually(lambda: node(service, victim)["state"] == "failed", 15)
        assert (datetime.now().astimezone() - killed).total_seconds() < 30
        assert service.log.read_text().count("provisioner leads") >= leads
        assert not psutil.pid_exists(first.pid) or not first.is_running()
        eventually(lambda: ready(service), 90)
    finally:
        standby.end()
        service.provisioner.start()


def test_the_web_shows_no_nodes_to_strangers(service):
    answer = requests.get(f"{service.url}/api/compute-nodes", timeout=20)
    assert answer.json()["items"] == []
