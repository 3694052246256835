"""The backend against a real API server, scheduler and kubelet, under its own service account."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes import client

from compute.provisioner.backends.base import BackendError, NodeSpec, StartRefused
from compute.provisioner.backends.kubernetes import KubernetesBackend
from compute.provisioner.backends.manifests import Deployment
from compute.provisioner.backends.tests.conftest import ROLE
from compute.testing.kube.cluster import ON_DEMAND, SPOT
from compute.testing.kube.plane import until

pytestmark = [pytest.mark.kubernetes, pytest.mark.integration]


@dataclass(frozen=True, slots=True)
class Sleeper(NodeSpec):
    seconds: float = 1000

    @property
    def arguments(self):
        return [str(self.seconds)]


def spec(name="a-1", **more):
    return Sleeper(**{"name": name, "pool": "a", "grace_seconds": 1, **more})


def seen(backend, name="a-1"):
    return {node.name: node for node in backend.observe()}.get(name)


def until_phase(backend, phase, name="a-1"):
    until(lambda: (node := seen(backend, name)) and node.phase == phase, f"{name} {phase}", 20)


def test_a_node_starts_runs_and_ends(backend, namespace):
    reference = backend.start(spec())

    assert seen(backend).reference == reference
    until_phase(backend, "running")
    assert namespace.pods()["a-1"].spec.node_name == ON_DEMAND
    assert seen(backend).pool == "a"
    assert not seen(backend).interrupted
    backend.stop("a-1", 5)
    until(lambda: seen(backend) is None, "the end of the pod", 20)
    assert namespace.pods() == {}


def test_starting_a_node_again_changes_nothing(backend, namespace):
    assert backend.start(spec()) == backend.start(spec())
    assert list(namespace.pods()) == ["a-1"]


def test_stopping_what_is_not_there_is_no_error(backend):
    backend.stop("a-1", 5)


def test_a_spot_node_runs_on_a_spot_machine(backend, namespace):
    backend.start(spec(capacity="spot"))

    until_phase(backend, "running")
    assert namespace.pods()["a-1"].spec.node_name == SPOT


def test_a_node_nobody_has_room_for_waits_and_says_why(backend):
    backend.start(spec(cpu=1000))

    until(lambda: "Insufficient cpu" in seen(backend).reason, "the scheduler's word", 20)
    assert seen(backend).phase == "pending"


def test_nodes_that_end_say_how(backend):
    backend.start(spec("a-well", seconds=0))
    backend.start(spec("a-ill", seconds=-1))

    until_phase(backend, "ended", "a-well")
    until_phase(backend, "failed", "a-ill")
    assert seen(backend, "a-ill").reason == "Error: exit code 1"


def test_a_drained_machine_interrupts_its_nodes(backend, namespace):
    stubborn = spec(capacity="spot", grace_seconds=20)
    backend.start(stubborn)
    until_phase(backend, "running")
    try:
        namespace.cluster.drain(SPOT, namespace.name)
        until(lambda: (node := seen(backend)) is None or node.interrupted, "the notice", 20)
    finally:
        namespace.cluster.uncordon(SPOT)


def test_a_full_quota_refuses_for_a_while(backend, namespace):
    namespace.quota(0)

    with pytest.raises(StartRefused, match="exceeded quota") as refused:
        backend.start(spec())
    assert refused.value.transient
    assert backend.observe() == []


def test_a_pod_that_cannot_be_is_refused_for_good(backend):
    with pytest.raises(StartRefused, match=r"metadata\.name") as refused:
        backend.start(spec("No_Name!"))
    assert not refused.value.transient


def test_a_volume_that_cannot_be_is_refused_with_its_place(namespace):
    deployment = Deployment(volumes=[{"name": "data", "hostPat": {"path": "/data"}}])
    backend = KubernetesBackend(namespace.cluster.plane.admin, namespace.name, deployment)
    try:
        with pytest.raises(StartRefused, match=r"spec\.volumes\.1\.hostPat is wrong"):
            backend.start(spec())
    finally:
        backend.close()


def test_a_foreign_pod_is_neither_seen_nor_taken_nor_stopped(backend, namespace):
    namespace.sleeper("foreign")
    namespace.sleeper("others", {"compute.io/pool": "a", "compute.io/instance": "other"})

    assert backend.observe() == []
    with pytest.raises(StartRefused, match="not ours"):
        backend.start(spec("foreign"))
    backend.stop("foreign", 0)
    backend.stop("others", 0)
    assert set(namespace.pods()) == {"foreign", "others"}


def test_a_pod_of_ours_that_nobody_remembers_is_seen_and_can_be_stopped(backend, namespace):
    namespace.sleeper("rogue", {"compute.io/pool": "gone", "compute.io/instance": "compute"})

    until(lambda: seen(backend, "rogue"), "the rogue pod", 20)
    backend.stop("rogue", 0)
    until(lambda: not seen(backend, "rogue"), "its end", 20)


def test_an_api_server_that_comes_back_is_followed_from_where_it_stopped(backend, namespace):
    server = namespace.cluster.plane.server
    backend.start(spec(seconds=1))
    until_phase(backend, "running")
    server.kill()
    try:
        with pytest.raises(BackendError, match="API server"):
            backend.start(spec("a-2"))
        until(lambda: unknown(backend), "the broken watch", 20)
    finally:
        namespace.cluster.plane.restart_server()

    backend._pods.all(20)
    until_phase(backend, "ended")
    backend.start(spec("a-2"))
    until_phase(backend, "running", "a-2")


def unknown(backend):
    try:
        backend._pods.all(0)
    except ConnectionError:
        return True
    return False


def test_a_version_the_server_has_forgotten_makes_the_list_be_read_again(backend, namespace):
    pods, lists = backend._pods, []
    backend.start(spec())
    until_phase(backend, "running")
    read = pods._list
    pods._list = lambda: lists.append(pods._version) or read()
    with pods._lock:
        pods._version = "1"
    pods._response.shutdown()

    until(lambda: lists, "the list", 20)
    backend.stop("a-1", 0)
    until(lambda: seen(backend) is None, "the end of the pod", 20)


def test_a_server_that_is_too_busy_is_left_alone_for_as_long_as_it_asks():
    with busy_server(seconds=30) as (url, asked):
        api = client.ApiClient(client.Configuration(host=url, retries=False))
        backend = KubernetesBackend(api, "any", Deployment())
        try:
            with pytest.raises(BackendError, match="429"):
                backend.start(spec())
            with pytest.raises(BackendError, match=r"asks to wait (29|30) s"):
                backend.start(spec())
            assert asked.count("POST") == 1
        finally:
            backend.close()


@contextmanager
def busy_server(seconds: int) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Busy(BaseHTTPRequestHandler):
        def answer(self):
            asked.append(self.command)
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(429)
            self.send_header("Retry-After", str(seconds))
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Busy) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()


def test_the_role_holds_exactly_the_rights_that_are_used(backend, namespace):
    backend.start(spec())
    backend.start(spec())
    until_phase(backend, "running")
    backend.stop("a-1", 1)
    until(lambda: seen(backend) is None, "the end of the pod", 20)

    used = namespace.cluster.plane.calls(namespace.name)
    assert used == {
        (verb, resource)
        for rule in ROLE["rules"]
        for verb in rule["verbs"]
        for resource in rule["resources"]
    }
