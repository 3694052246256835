"""A real service whose processes are killed, told to end, or cut off from what they need."""

import contextlib
import json
import os
import signal
import threading
import time
from urllib.parse import urlsplit

import psutil
import psycopg2
import pytest
import requests

from compute.broker import PrivateRedis, free_port
from compute.demo.server import service
from compute.soak.long import make_long
from compute.soak.mix import data
from compute.testing import client
from compute.testing.parts import part, redis_part
from compute.testing.postgres import fresh_database
from compute.tests.processes import alive
from compute.tests.waiting import eventually
from compute_tasks.tests.data import tas_files
from compute_tasks.tests.servers import files, web

pytestmark = pytest.mark.integration

LEASE = 6.0
GRACE = 8.0
MEAN = "CDAT.mean"


class Source:
    """A remote file whose server keeps everybody waiting until it is opened."""

    def __init__(self, url, name, gate, asked):
        self.host = url.removeprefix("http://")
        self.gate, self.asked = gate, asked
        self.inputs = client.texts(f"{url}/{name}", "tas", MEAN, axes="lat|lon")


@pytest.fixture
def source(tmp_path):
    (path,) = tas_files(tmp_path / "remote", [(2000, 2001)])
    gate, asked = threading.Event(), threading.Event()
    respond = files(path.parent)

    def wait(request):
        asked.set()
        gate.wait(120)
        return respond(request)

    with web(wait) as server:
        yield Source(server.url, path.name, gate, asked)
        gate.set()


class Plant:
    """Web and workers on a PostgreSQL database and a Redis that tests may stop."""

    def __init__(self, folder, server, database, redis, environment, url):
        self.folder, self.server, self.database = folder, server, database
        self.redis, self.environment, self.url = redis, environment, url
        self.stack, self.log = contextlib.ExitStack(), folder / "web.log"

    def worker(self):
        """Return a worker that is ready; it runs until the test ends."""
        ready = self.count("metrics served")
        made = self.stack.enter_context(part("worker", self.environment, self.log, "worker"))
        eventually(lambda: self.count("metrics served") > ready, 120)
        return made

    def count(self, text):
        return self.log.read_text().count(text) if self.log.exists() else 0

    def ask(self, statement):
        with contextlib.closing(psycopg2.connect(self.server)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)

    def answers(self):
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/health", timeout=10).ok

    def status(self, job_id):
        return client.job(self.url, job_id)["status"]

    def succeeded(self, job_id):
        status = self.status(job_id)
        assert status != "ProcessFailed", client.messages(self.url, job_id)
        return status == "ProcessSucceeded"


@pytest.fixture(scope="module")
def shared(tmp_path_factory, postgres_url):
    folder, private, port = tmp_path_factory.mktemp("plant"), PrivateRedis(), free_port()
    environment = os.environ | {
        "COMPUTE_DATA_DIR": str(folder / "data"),
        "COMPUTE_DATABASE_URL": fresh_database(postgres_url),
        "COMPUTE_REDIS_URL": private.url,
        "COMPUTE_METRICS_PORT": "0",
        "COMPUTE_LEASE_SECONDS": str(LEASE),
        "COMPUTE_GRACE_SECONDS": str(GRACE),
        "COMPUTE_CHECKPOINT_SECONDS": "0.2",
        "COMPUTE_ALLOWED_DATA_HOSTS": "*",
        "PROMETHEUS_MULTIPROC_DIR": str(folder),
    }
    name = urlsplit(environment["COMPUTE_DATABASE_URL"]).path.lstrip("/")
    with contextlib.ExitStack() as stack:
        redis = redis_part(private, folder, folder / "redis.log")
        stack.callback(redis.end)
        redis.start()
        url = f"http://127.0.0.1:{port}"
        plant = Plant(folder, postgres_url, name, redis, environment, url)
        with part("migrate", environment, plant.log, "migrate") as migrate:
            assert migrate.process.wait(60) == 0
        stack.enter_context(part("web", environment, plant.log, "web", "--port", str(port)))
        eventually(plant.answers, 60)
        yield plant


@pytest.fixture
def plant(shared, tmp_path):
    shared.log = tmp_path / "worker.log"
    with shared.stack:
        yield shared


@pytest.fixture
def running(plant, source):
    """Return a worker and the id of the job it runs, which waits for its source."""
    worker = plant.worker()
    job_id = client.accept(plant.url, MEAN, source.inputs)
    assert source.asked.wait(60)
    yield worker, job_id
    requests.delete(f"{plant.url}/wps/api/job/{job_id}", timeout=20)


def test_a_killed_worker_leaves_no_process_and_its_job_goes_on_within_two_leases(
    plant, running, source
):
    worker, job_id = running
    plant.worker()
    below = worker.processes()
    worker.kill()
    killed = time.monotonic()
    eventually(lambda: not alive(below), 5)
    eventually(lambda: "started" in client.messages(plant.url, job_id)[2:], 60)
    assert time.monotonic() - killed < 2 * LEASE
    source.gate.set()
    eventually(lambda: plant.succeeded(job_id), 60)
    said = client.messages(plant.url, job_id)
    assert "its worker was lost in attempt 1; waiting again" in said


def test_a_worker_told_to_end_hands_its_job_back_within_the_grace(plant, running, source):
    worker, job_id = running
    below = worker.processes()
    told = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(GRACE + 2) == 0
    assert time.monotonic() - told >= GRACE / 2
    eventually(lambda: not alive(below), 5)
    assert plant.status(job_id) == "ProcessAccepted"
    assert client.messages(plant.url, job_id)[-1] == "handed back by its worker"
    source.gate.set()
    plant.worker()
    eventually(lambda: plant.succeeded(job_id), 60)


def test_a_worker_told_twice_to_end_hands_its_job_back_at_once(plant, running):
    worker, job_id = running
    told = time.monotonic()
    worker.signal(signal.SIGTERM)
    eventually(lambda: plant.count("worker ends"))
    worker.signal(signal.SIGTERM)
    assert worker.process.wait(GRACE) == 0
    assert time.monotonic() - told < GRACE / 2
    assert plant.status(job_id) == "ProcessAccepted"


def test_a_job_that_ends_within_half_the_grace_is_not_handed_back(plant, running, source):
    worker, job_id = running
    worker.signal(signal.SIGTERM)
    eventually(lambda: plant.count("worker ends"))
    source.gate.set()
    assert worker.process.wait(GRACE + 5) == 0
    assert plant.succeeded(job_id)


def test_a_job_goes_on_while_database_and_redis_are_away_for_longer_than_its_lease(
    plant, running, source
):
    _, job_id = running
    idle = plant.worker()
    plant.redis.kill()
    name = plant.database
    plant.ask(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    plant.ask(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname='{name}'")
    time.sleep(1.5 * LEASE)
    plant.ask(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    plant.redis.start()
    eventually(lambda: plant.status(job_id) == "ProcessStarted", 10)
    source.gate.set()
    eventually(lambda: plant.succeeded(job_id), 60)
    assert idle.runs
    assert not any("lost" in said for said in client.messages(plant.url, job_id))
    again = client.accept(plant.url, MEAN, source.inputs)
    eventually(lambda: plant.succeeded(again), 60)


@pytest.fixture(scope="module")
def long(shared):
    """Make the inputs of a workflow that reads half a gigabyte for each of some bands."""
    archive = shared.folder / "data" / "archive"
    archive.mkdir(parents=True, exist_ok=True)
    uri = make_long(archive, steps=2000)

    def inputs(count):
        bands = {f"b{n}": {"start": 5 * n, "end": 5 * n + 30} for n in range(count)}
        steps = [
            {"name": "CDAT.std", "result": f"s{n}", "input": ["v0"], "axes": "time", "domain": n}
            for n in bands
        ]
        all_ = {"name": "CDAT.workflow", "result": "all", "input": [s["result"] for s in steps]}
        domains = [{"id": n, "lat": {**band, "crs": "values"}} for n, band in bands.items()]
        return {
            "variable": json.dumps([{"uri": uri, "id": "tas|v0"}]),
            "domain": json.dumps(domains),
            "operation": json.dumps([*steps, all_]),
        }

    return inputs


def saved(plant, job_id):
    """Return how many parts a job has on disk."""
    return len(list((plant.folder / "data" / "workspace" / job_id / "parts").glob("*.part")))


def resumed(plant, job_id):
    """Return how often attempts at a job found parts of earlier ones."""
    return sum(said.startswith("resumed: ") for said in client.messages(plant.url, job_id))


def results(plant, job_id):
    """Return the numbers of a job's files by name, bit for bit."""
    folder = plant.folder / "data" / "outputs" / "anonymous" / job_id
    names = sorted(path.name for path in folder.iterdir())
    return {name.replace(job_id[:8], ""): data(folder / name) for name in names}


def test_a_job_whose_worker_was_killed_resumes_and_ends_in_the_same_bytes(plant, long):
    worker = plant.worker()
    job_id = client.accept(plant.url, "CDAT.workflow", long(4))
    eventually(lambda: saved(plant, job_id), 60)
    worker.kill()
    plant.worker()
    eventually(lambda: plant.succeeded(job_id), 120)
    assert resumed(plant, job_id)
    undisturbed = client.accept(plant.url, "CDAT.workflow", long(4))
    eventually(lambda: plant.succeeded(undisturbed), 120)
    assert not resumed(plant, undisturbed)
    assert results(plant, job_id) == results(plant, undisturbed)
    assert not (plant.folder / "data" / "workspace" / job_id).exists()


def test_a_running_job_that_is_dismissed_makes_room_within_three_seconds(plant, long):
    plant.worker()
    job_id = client.accept(plant.url, "CDAT.workflow", long(12))
    eventually(lambda: plant.status(job_id) == "ProcessStarted", 120)
    waiting = client.accept(plant.url, "CDAT.workflow", long(12))
    assert plant.status(waiting) == "ProcessAccepted"
    requests.delete(f"{plant.url}/wps/api/job/{job_id}", timeout=20)
    eventually(lambda: plant.status(waiting) == "ProcessStarted", 3)
    requests.delete(f"{plant.url}/wps/api/job/{waiting}", timeout=20)
    eventually(lambda: not (plant.folder / "data" / "workspace" / job_id).exists(), LEASE)
    assert not (plant.folder / "data" / "outputs" / "anonymous" / job_id).exists()


def test_the_embedded_service_goes_on_with_its_jobs_after_it_was_killed(tmp_path, source):
    environment = {
        "COMPUTE_METRICS_PORT": "0",
        "COMPUTE_LEASE_SECONDS": str(LEASE),
        "COMPUTE_ALLOWED_DATA_HOSTS": source.host,
    }
    with service(tmp_path / "data", environment) as killed:
        job_id = client.accept(killed.url, MEAN, source.inputs)
        waiting = client.accept(killed.url, MEAN, source.inputs)
        assert source.asked.wait(60)
        serve = psutil.Process(killed.process.pid).children()[0]
        below = serve.children(recursive=True)
        serve.kill()
        eventually(lambda: not alive(below))
    source.gate.set()
    with service(tmp_path / "data", environment) as again:
        for accepted in (job_id, waiting):
            eventually(
                lambda: client.job(again.url, accepted)["status"] == "ProcessSucceeded",  # noqa: B023
                60,
            )
        said = client.messages(again.url, job_id)
    assert any("waiting again" in text or "handed back" in text for text in said)
