"""Rounds of the loop on the database, and what is left when it is cut off in one."""

import itertools
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from compute.provisioner import leader, nodes, observation, signs
from compute.provisioner.backends.base import BackendError, Observed
from compute.provisioner.leader import Deposed, Leadership
from compute.provisioner.loop import Loop
from compute.provisioner.models import (
    PRESENT,
    Circuit,
    Event,
    Leader,
    Node,
    NodeJob,
    NodeState,
    Pool,
    Target,
)
from compute.provisioner.tests.folder import FolderBackend
from compute.provisioner.tests.rounds import one_round
from compute_wps import jobs
from compute_wps.identity import Caller
from compute_wps.models import Job, State
from compute_wps.tests.killed import dies, preload

pytestmark = pytest.mark.database

preload(one_round.__module__)

QUICK = {"idle_seconds": 0, "cooldown_seconds": 0, "grace_seconds": 0, "price_per_hour": 1.0}


def accept(account="somebody", **changes):
    job = jobs.accept(
        identifier="CDAT.mean",
        document="<a/>",
        queue=jobs.INGRESS,
        base_url="http://testserver",
        caller=Caller(account, account),
    )
    Job.objects.filter(pk=job.pk).update(**changes)
    return job


def pool(name="p", **fields):
    return Pool.objects.create(name=name, **{"maximum": 5, **QUICK, **fields})


def present(**conditions):
    return Node.objects.filter(state__in=PRESENT, **conditions)


@pytest.fixture
def backend(tmp_path, transactional_db):
    return FolderBackend(tmp_path / "nodes")


@pytest.fixture
def rounds(backend):
    """Do so many rounds of a loop that leads; every node that runs gives a sign of life."""
    made = Loop(Leadership(), lambda: {"local": backend})

    def go(count=1, beat=True):
        for _ in range(count):
            assert made.round() is not None
            for name in backend.names if beat else ():
                signs.beat(name)

    return go


def work_on(node, job):
    """Have the node claim the job."""
    return signs.begin(node.name, jobs.claim(job.id, f"worker-of-{node.name}"))


def test_jobs_get_nodes_and_idle_nodes_go(backend, rounds):
    pool()
    waiting = [accept() for _ in range(3)]
    rounds(3)
    ready = list(Node.objects.filter(state=NodeState.READY))
    assert {node.name for node in ready} == backend.names
    assert len(ready) == 3
    for node, job in zip(ready, waiting, strict=True):
        row = work_on(node, job)
        rounds(2)
        assert jobs.succeed(job.id, f"worker-of-{node.name}", 1, [])
        signs.finish(row)
    backend.put(ready[0].name, "p", "ended")
    rounds(2)
    assert not present(state=NodeState.READY).exists()
    reasons = list(Event.objects.filter(name=ready[0].name).values_list("reason", flat=True))
    assert reasons == ["requested", "started", "ready", "draining", "stopped"]


def test_jobs_beyond_what_an_account_may_run_start_no_nodes(backend, rounds):
    pool(maximum=100, step=100)
    for _ in range(settings.COMPUTE.running_jobs + 5):
        accept("one")
    accept("another")
    rounds(2)
    assert len(backend.names) == settings.COMPUTE.running_jobs + 1


def test_the_estimate_of_a_job_says_how_much_of_a_node_it_is_worth(backend, rounds):
    pool(jobs_per_node=2, bytes_per_node=100)
    for _ in range(4):
        accept(input_bytes=100)
    rounds(2)
    assert len(backend.names) == 4


def test_a_job_claimed_while_the_policy_thought_its_node_idle_is_not_disturbed(rounds):
    pool(minimum=1)
    rounds(3)
    node = Node.objects.get()
    Pool.objects.update(minimum=0)
    leadership = Leadership()
    backends = {"local": BusyMeanwhile(node, accept())}
    Leader.objects.update(expires=timezone.now())
    Loop(leadership, lambda: backends).round()
    node.refresh_from_db()
    assert (node.state, node.target) == (NodeState.READY, Target.RUNNING)


class BusyMeanwhile:
    """A backend under whose eyes a node takes up a job when the picture has been taken."""

    def __init__(self, node, job):
        self.node, self.job = node, job

    def observe(self):
        nodes_drain = nodes.drain

        def claim_first(*arguments, **options):
            nodes.drain = nodes_drain
            work_on(self.node, self.job)
            return nodes_drain(*arguments, **options)

        nodes.drain = claim_first
        return [Observed(self.node.name, "p", "running")]


def test_a_killed_node_is_replaced_and_its_job_goes_back_at_once(backend, rounds):
    pool()
    job = accept()
    rounds(3)
    node = Node.objects.get()
    work_on(node, job)
    backend.put(node.name, "p", "failed")
    rounds(3)
    job.refresh_from_db()
    assert (job.status, job.lost) == (State.ACCEPTED, 1)
    node.refresh_from_db()
    assert (node.state, node.name in backend.names) == (NodeState.FAILED, False)
    assert NodeJob.objects.get().ended == node.ended
    assert present(state=NodeState.READY).count() == 1


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when it is told to."""
    seconds = [timezone.now()]
    monkeypatch.setattr(timezone, "now", lambda: seconds[0])

    def go_on(by):
        seconds[0] += timedelta(seconds=by)

    return go_on


def test_a_silent_node_is_lost_and_a_job_it_has_lost_before_is_left_alone(backend, rounds, clock):
    pool()
    job = accept()
    rounds(3)
    node = Node.objects.get()
    work_on(node, job)
    assert jobs.reap(Job.objects.get())
    assert jobs.claim(job.id, "another")
    for _ in range(10):
        assert Node.objects.get().state == NodeState.READY
        clock(3.1)
        rounds(1, beat=False)
    node.refresh_from_db()
    assert (node.state, node.name in backend.names) == (NodeState.LOST, False)
    job.refresh_from_db()
    assert (job.status, job.worker) == (State.STARTED, "another")


def test_no_node_is_lost_because_nobody_could_hear_it(rounds, clock):
    pool(minimum=1)
    rounds(3)
    clock(3600)
    rounds(1, beat=False)
    assert Node.objects.get().state == NodeState.READY


def test_a_node_whose_record_has_ended_learns_that_it_is_to_end(db):
    assert signs.standing("nobody") is None


def test_a_notice_drains_the_node_and_starts_another_one_in_parallel(backend, rounds):
    pool(minimum=1, maximum=1, grace_seconds=60)
    rounds(3)
    node = Node.objects.get()
    backend.put(node.name, "p", "running", interrupted=True)
    rounds(3)
    node.refresh_from_db()
    assert (node.state, node.interrupted) == (NodeState.DRAINING, True)
    assert signs.standing(node.name).draining
    assert present(state=NodeState.READY).count() == 1
    assert len(backend.names) == 2


def test_a_node_created_by_a_person_is_replaced_once_when_it_is_taken_away(backend, rounds):
    owned = pool(maximum=2)
    node = Node.of_pool(owned, "mine", by_hand=True, owner="ann", labels={"a": "b"})
    node.save()
    rounds(2)
    assert signs.interrupted("mine")
    assert not signs.interrupted("mine")
    rounds(3)
    other = present(state=NodeState.READY).get()
    assert (other.by_hand, other.owner, other.labels) == (True, "ann", {"a": "b"})


def test_what_a_person_changes_between_picture_and_action_is_respected(backend, rounds):
    owned = pool()
    Node.of_pool(owned, "mine", by_hand=True).save()
    seen = observation.take({"local": backend}).nodes[0]
    Node.objects.update(target=Target.STOPPED, version=2)
    assert nodes.may_launch(seen) is None
    assert not nodes.refused(seen, "no", transient=False)
    rounds(2)
    assert Node.objects.get().state == NodeState.STOPPED
    assert not backend.starts


def test_no_node_is_started_in_a_pool_that_changed_meanwhile(backend):
    pool(minimum=1)
    seen = observation.take({"local": backend}).pools[0]
    Pool.objects.update(version=2)
    assert nodes.create(seen, 1, "") == []


def test_refused_starts_open_the_circuit_and_the_fallback_takes_over(backend, rounds, tmp_path):
    pool("spot", capacity="spot", fallback="dear", failures=3, maximum=3, retry_seconds=60)
    pool("dear", price_per_hour=3.0)
    for _ in range(3):
        accept()
    (backend.folder / "full").touch()
    rounds(3)
    assert Pool.objects.get(name="spot").circuit == Circuit.OPEN
    (backend.folder / "full").unlink()
    rounds(3)
    assert present().count() == present(pool__name="dear").count() == 3
    Pool.objects.update(circuit_until=timezone.now())
    accept()
    rounds(4)
    assert present(pool__name="spot", state=NodeState.READY).count() >= 1
    assert Pool.objects.get(name="spot").circuit == Circuit.CLOSED


def test_strays_are_stopped_and_nothing_happens_while_the_backend_is_away(backend, rounds):
    pool(minimum=1)
    backend.put("stray", "p", "running")
    rounds(3)
    assert backend.names == {Node.objects.get().name}

    class Away(FolderBackend):
        def observe(self):
            raise BackendError("not there")

    Node.objects.update(heartbeat=timezone.now() - timedelta(hours=1))
    Leader.objects.update(expires=timezone.now())
    assert Loop(Leadership(), lambda: {"local": Away(backend.folder)}).round() == []
    assert Node.objects.get().state == NodeState.READY


def test_one_process_leads_and_another_takes_over_when_its_lease_ends(backend):
    first, second = Leadership("elsewhere/1/0"), Leadership("elsewhere/2/0")
    assert first.lead() and first.lead()
    assert not second.lead()
    Leader.objects.update(expires=timezone.now())
    assert second.lead()
    assert not first.lead()
    with pytest.raises(Deposed), first.fence():
        raise AssertionError
    second.resign()
    assert first.lead()
    assert leader.LEASE.total_seconds() < 14


def test_a_leader_of_this_machine_that_has_died_is_followed_at_once(backend):
    host = leader.this_process().partition("/")[0]
    assert Leadership(f"{host}/999999999/0.0").lead()
    assert Leadership().lead()


def test_a_deposed_leader_changes_nothing_and_calls_no_backend(backend):
    pool(minimum=1)
    old = Leadership("elsewhere/1/0")
    slow = Loop(old, lambda: {"local": Usurped(backend.folder)})
    with pytest.raises(Deposed):
        slow.round()
    assert not Node.objects.exists()
    assert not backend.starts


class Usurped(FolderBackend):
    """A backend so slow that another process leads when it has answered."""

    def observe(self):
        Leader.objects.update(expires=timezone.now())
        assert Leadership("elsewhere/2/0").lead()
        return super().observe()


WRITES = (
    FolderBackend.start,
    FolderBackend.stop,
    nodes.create,
    nodes.launched,
    nodes.drain,
    nodes.end,
)


def settle(backend):
    again = Loop(Leadership(), lambda: {"local": backend})
    while again.round():
        for name in backend.names:
            signs.beat(name)


def much_to_do(backend):
    """A node to launch, one lost with its job, one of a person lost, one with a notice."""
    owned = pool(minimum=4, idle_seconds=300)
    before = timezone.now() - timedelta(minutes=1)
    up = {"state": NodeState.READY, "started": before, "ready_at": before}
    for name in ("working", "mine", "noticed"):
        Node.of_pool(owned, name, by_hand=name == "mine", **up).save()
        backend.put(name, "p", "failed")
    backend.put("noticed", "p", "running", interrupted=True)
    work_on(Node.objects.get(name="working"), accept())
    Node.of_pool(owned, "fresh").save()


def forget(backend):
    for path in backend.folder.iterdir():
        path.unlink()
    for model in (NodeJob, Node, Pool, Event, Job, Leader):
        model.objects.all().delete()


def test_a_provisioner_killed_before_any_change_or_call_costs_nothing_but_time(backend):
    for step in itertools.count(1):
        much_to_do(backend)
        alive = not dies(step, WRITES, one_round, backend.folder)
        settle(backend)
        ready = present(state=NodeState.READY, target=Target.RUNNING)
        assert ready.count() == 4, step
        assert ready.filter(by_hand=True).count() == 1
        assert ready.filter(name="fresh").exists()
        assert len(backend.starts) == 4
        assert backend.names == {node.name for node in present()}
        assert Job.objects.get().status == State.ACCEPTED
        assert Job.objects.get().lost == 1
        assert not NodeJob.objects.filter(ended__isnull=True).exists()
        forget(backend)
        if alive:
            break
    assert step > 30


def test_a_round_takes_less_than_a_second_with_a_thousand_nodes(backend, rounds):
    owned = pool(maximum=1000, minimum=1000)
    now = timezone.now()
    up = {"state": NodeState.READY, "started": now, "ready_at": now, "heartbeat": now}
    Node.objects.bulk_create(Node.of_pool(owned, f"p-{n}", **up) for n in range(1000))
    for name in Node.objects.values_list("name", flat=True):
        backend.put(name, "p", "running")
    begin = time.process_time()
    rounds(1, beat=False)
    assert time.process_time() - begin < 1
    assert present().count() == 1000
