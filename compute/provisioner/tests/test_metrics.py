"""What Prometheus reads of the provisioner."""

from datetime import timedelta

import pytest
from django.utils import timezone
from prometheus_client import CollectorRegistry

from compute.provisioner import metrics
from compute.provisioner.actions import End
from compute.provisioner.gauges import Gauges
from compute.provisioner.leader import Leadership
from compute.provisioner.loop import Loop
from compute.provisioner.models import Node, NodeState, Pool
from compute.provisioner.tests.folder import FolderBackend
from compute_wps import jobs

UPSTREAM = (
    "provisioner_queued",
    "provisioner_queue_error",
    "provisioner_state_process_duration_seconds",
    "backend_state_process_duration_seconds",
    "backend_missed_heartbeat",
    "backend_provisioner_reconnect",
    "backend_resource_response",
)

pytestmark = pytest.mark.database


def value(registry, name, **labels):
    return registry.get_sample_value(name, labels)


@pytest.fixture
def gauges(transactional_db):
    registry = CollectorRegistry()
    registry.register(Gauges())
    return registry


def node(pool, name, **fields):
    Node.of_pool(pool, name, **fields).save()


def test_the_gauges_tell_what_the_records_hold(gauges):
    dear = Pool.objects.create(name="dear", price_per_hour=3.0, maximum=4)
    spot = Pool.objects.create(
        name="spot", price_per_hour=1.0, capacity="spot", fallback="dear", circuit="open"
    )
    hour = timezone.now() - timedelta(hours=1)
    node(spot, "s", state=NodeState.READY, started=hour, ready_at=hour)
    node(spot, "gone", state=NodeState.LOST, started=hour, ended=hour + timedelta(minutes=30))
    node(dear, "d", state=NodeState.REQUESTED)
    for _ in range(3):
        jobs.accept(
            identifier="CDAT.mean", document="", queue="ingress", base_url="http://testserver"
        )
    ready = {"pool": "spot", "state": "ready", "capacity": "spot"}
    assert value(gauges, "provisioner_nodes", **ready) == 1
    assert value(gauges, "provisioner_nodes", **(ready | {"state": "lost"})) is None
    assert value(gauges, "provisioner_wanted_nodes", pool="spot") == 1
    assert value(gauges, "provisioner_wanted_nodes", pool="dear") == 2
    assert value(gauges, "provisioner_present_nodes", pool="dear") == 1
    assert value(gauges, "provisioner_circuit", pool="spot", state="open") == 1
    assert value(gauges, "provisioner_circuit", pool="spot", state="closed") == 0
    assert value(gauges, "provisioner_queue", queue="ingress") == 3
    assert value(gauges, "provisoner_queue_total") == 3
    assert value(gauges, "provisioner_cost_total", pool="spot") == pytest.approx(1.5, rel=0.01)
    assert value(gauges, "provisioner_saved_total", pool="spot") == pytest.approx(3.0, rel=0.01)
    assert value(gauges, "provisioner_cost_total", pool="dear") is None


def test_every_gauge_is_described(gauges):
    Pool.objects.create(name="p")
    assert {family.name for family in Gauges().collect()} <= set(metrics.GAUGES)


def test_names_of_upstream_are_kept():
    counted = {getattr(one, "_name", "") for one in vars(metrics).values()}
    assert set(UPSTREAM) <= counted
    assert "provisoner_queue_total" in metrics.GAUGES


def test_rounds_starts_refusals_and_losses_are_counted(transactional_db, tmp_path):
    backend = FolderBackend(tmp_path / "nodes")
    loop = Loop(Leadership(), lambda: {"local": backend})
    counted = {
        "starts": metrics.STARTS.labels("counted"),
        "failures": metrics.FAILURES.labels("counted", "failed"),
        "refusals": metrics.QUEUE_ERROR,
        "led": metrics.RECONNECT,
    }
    before = {name: one._value.get() for name, one in counted.items()}
    Pool.objects.create(name="counted", minimum=1)
    loop.round()
    (backend.folder / "full").touch()
    loop.round()
    (backend.folder / "full").unlink()
    loop.round()
    loop.round()
    Node.objects.filter(state=NodeState.STARTING).update(state=NodeState.READY)
    backend.put(Node.objects.get(state=NodeState.READY).name, "counted", "failed")
    assert any(isinstance(action, End) for action in loop.round())
    after = {name: one._value.get() - before[name] for name, one in counted.items()}
    assert after == {"starts": 1, "failures": 1, "refusals": 1, "led": 1}
