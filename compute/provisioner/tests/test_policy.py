import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from compute.provisioner.actions import Drain, End, Launch, Ready, Start, Stop, Switch
from compute.provisioner.backends.base import Observed
from compute.provisioner.picture import Demand, NodeView, PoolView
from compute.provisioner.policy import decide, takes_jobs
from compute.provisioner.simulation import Day, Work, World
from compute.provisioner.states import PRESENT, Capacity, Circuit, NodeState, Role, Target

NOW = 1_000_000.0
POOL = PoolView("p", maximum=5)


def node(name="p-1", **fields):
    given_fields = {
        "pool": "p",
        "requested": NOW - 900,
        "started": NOW - 900,
        "ready_at": NOW - 850,
        "heartbeat": NOW - 1,
        "idle_since": NOW - 10,
        "seen": Observed(name, "p", "running"),
    }
    return NodeView(name, **{**given_fields, **fields})


def starting(name="p-1", **fields):
    fresh = {"started": NOW - 20, "requested": NOW - 21, "heartbeat": None, "idle_since": None}
    return node(name, state=NodeState.STARTING, ready_at=None, **{**fresh, **fields})


def busy(name, **fields):
    return node(name, jobs=1, idle_since=None, **fields)


def act(pools, nodes=(), waiting=0, now=NOW, strays=None):
    sizes = waiting if isinstance(waiting, dict) else {"ingress": [None] * waiting}
    return decide(Demand(sizes), pools, nodes, now, strays)


def started(actions):
    return Counter({a.pool.name: a.count for a in actions if isinstance(a, Start)})


def test_a_job_that_waits_is_worth_a_node():
    assert started(act([POOL], waiting=3)) == {"p": 3}


def test_nodes_that_start_are_counted():
    assert not act([POOL], [starting("p-1"), starting("p-2")], waiting=2)


def test_no_more_nodes_than_a_step_are_started_in_a_round():
    assert started(act([replace(POOL, maximum=100, step=7)], waiting=50)) == {"p": 7}


def test_the_minimum_is_kept_without_demand():
    assert started(act([replace(POOL, minimum=2)])) == {"p": 2}


@pytest.mark.parametrize(
    ("sizes", "count"),
    [([None] * 8, 2), ([10] * 8, 2), ([100] * 8, 8), ([1000, 1000], 2), ([50] * 8, 4)],
)
def test_jobs_weigh_their_estimated_bytes_between_a_share_of_a_node_and_a_whole_one(sizes, count):
    pool = replace(POOL, maximum=50, jobs_per_node=4, bytes_per_node=100)
    assert started(act([pool], waiting={"ingress": sizes})) == {"p": count}


def test_free_places_on_busy_nodes_are_used_before_a_node_is_started():
    pool = replace(POOL, jobs_per_node=4)
    assert not act([pool], [busy("p-1")], waiting=3)
    assert started(act([pool], [busy("p-1")], waiting=4)) == {"p": 1}


def test_each_queue_gets_the_nodes_of_its_own_pools():
    other = PoolView("o", maximum=5, queues=("default", "slow"))
    waiting = {"ingress": [None], "default": [None], "slow": [None], "nobody's": [None]}
    assert started(act([POOL, other], waiting=waiting)) == {"p": 1, "o": 2}


def test_the_cheapest_pool_comes_first_and_the_next_takes_the_rest():
    cheap, dear = PoolView("z", maximum=2, price_per_hour=1), PoolView("a", price_per_hour=2)
    assert started(act([dear, cheap], waiting=3)) == {"z": 2, "a": 1}


def test_an_idle_node_is_drained_when_it_has_been_idle_for_long_enough():
    idle = node(idle_since=NOW - POOL.idle_seconds)
    (drain,) = act([POOL], [idle])
    assert (drain.node, drain.deadline, drain.interrupted) == (idle, NOW + 600, False)
    assert not act([POOL], [replace(idle, idle_since=NOW - POOL.idle_seconds + 1)])


def test_of_several_idle_nodes_the_longest_idle_go_and_the_wanted_stay():
    pool = replace(POOL, minimum=1)
    nodes = [node(f"p-{n}", idle_since=NOW - 400 - n) for n in range(3)]
    assert [drain.node.name for drain in act([pool], nodes)] == ["p-2", "p-1"]


def test_no_idle_node_is_drained_soon_after_nodes_were_started():
    idle = node(idle_since=NOW - 1000)
    assert not act([replace(POOL, last_scaled=NOW - POOL.cooldown_seconds + 1)], [idle])


@pytest.mark.parametrize(
    "fields", [{"by_hand": True}, {"jobs": 1, "idle_since": None}, {"idle_since": None}]
)
def test_nodes_of_people_and_nodes_at_work_are_never_scaled_in(fields):
    assert not act([POOL], [node(**{"idle_since": NOW - 1000, **fields})])


def test_a_node_created_by_hand_is_launched_and_counts():
    fresh = node(state=NodeState.REQUESTED, by_hand=True, started=None, seen=None, ready_at=None)
    fresh = replace(fresh, requested=NOW)
    assert act([POOL], [fresh], waiting=1) == [Launch(fresh)]


def test_a_person_who_takes_a_node_away_before_it_started_ends_it():
    gone = node(state=NodeState.REQUESTED, target=Target.STOPPED, seen=None)
    (end,) = act([POOL], [gone])
    assert (type(end), end.state) == (End, NodeState.STOPPED)


def test_a_drained_node_has_until_its_deadline_and_is_then_told_to_end():
    draining = busy("p-1", state=NodeState.DRAINING, target=Target.STOPPED, drain_deadline=NOW + 1)
    assert not act([POOL], [draining])
    (stop,) = act([POOL], [draining], now=NOW + 1)
    assert (type(stop), stop.name, stop.grace_seconds) == (Stop, "p-1", POOL.grace_seconds)


def test_a_draining_node_keeps_its_room_until_it_has_ended():
    pool = replace(POOL, maximum=1)
    draining = busy("p-1", state=NodeState.DRAINING, drain_deadline=NOW + 100)
    assert not act([pool], [draining], waiting=1)


def test_an_interrupted_node_is_drained_at_once_and_replaced_in_parallel():
    pool = replace(POOL, minimum=1, maximum=1, grace_seconds=120, handback_seconds=20)
    noticed = busy("p-1", seen=Observed("p-1", "p", "running", interrupted=True))
    drain, start = act([pool], [noticed])
    assert (drain.node, drain.interrupted, drain.deadline) == (noticed, True, NOW + 100)
    assert start.count == 1


def test_a_node_silent_for_three_heartbeats_is_lost_stopped_and_replaced():
    silent = busy("p-1", heartbeat=NOW - 31)
    end, stop, start = act([replace(POOL, minimum=1)], [silent])
    assert (end.state, stop.name, stop.grace_seconds, start.count) == ("lost", "p-1", 0, 1)
    assert not act([POOL], [busy("p-1", heartbeat=NOW - 29)])


@pytest.mark.parametrize(
    ("phase", "fields", "state"),
    [
        ("failed", {}, NodeState.FAILED),
        ("ended", {}, NodeState.STOPPED),
        ("failed", {"state": NodeState.DRAINING}, NodeState.STOPPED),
        ("failed", {"interrupted": True}, NodeState.STOPPED),
    ],
)
def test_a_node_whose_process_ended_is_noted_and_cleared_away(phase, fields, state):
    gone = node(seen=Observed("p-1", "p", phase), **fields)
    end, stop = act([POOL], [gone])
    assert (end.state, stop.grace_seconds) == (state, 0)


def test_a_node_its_backend_does_not_show_is_lost_but_not_right_after_its_start():
    assert not act([POOL], [starting(seen=None, started=NOW - 5)])
    (end,) = act([POOL], [starting(seen=None, started=NOW - 15)])
    assert end.state == NodeState.LOST


def test_a_node_that_is_not_ready_in_time_has_failed():
    late = starting(started=NOW - POOL.start_seconds - 1)
    end, stop = act([POOL], [late])
    assert (end.state, stop.name) == (NodeState.FAILED, "p-1")


def test_what_is_seen_of_an_ended_node_is_cleared_away():
    ended = node(state=NodeState.LOST, ended=NOW - 5)
    assert act([POOL], [ended]) == [Stop("local", "p-1", 0.0)]


def test_what_bears_our_label_and_has_no_record_is_stopped():
    (stop,) = act([POOL], strays={"local": [Observed("rogue", "p", "running")]})
    assert (stop.backend, stop.name, stop.grace_seconds) == ("local", "rogue", 0)


def test_nothing_is_done_about_the_nodes_of_a_backend_that_is_away():
    pool = replace(POOL, minimum=3, reachable=False)
    assert not act([pool], [busy("p-1", seen=None, heartbeat=NOW - 500)], waiting=9)


def test_dask_nodes_are_ready_when_they_run_and_never_scaled():
    pool = replace(POOL, role=Role.DASK, minimum=0)
    fresh = starting()
    assert act([pool], [fresh], waiting=4) == [Ready(fresh)]
    assert not act([pool], [node(idle_since=NOW - 5000, heartbeat=None)])


SPOT = PoolView("s", maximum=5, price_per_hour=1, capacity=Capacity.SPOT, fallback="d", failures=2)
DEAR = PoolView("d", maximum=5, price_per_hour=3)


def failed(name, pool="s", ended=NOW - 5, **fields):
    late = {"state": NodeState.FAILED, "requested": ended - 5, "ready_at": None, "seen": None}
    return node(name, pool=pool, ended=ended, **{**late, **fields})


def test_a_pool_that_may_start_nodes_leaves_its_fallback_alone():
    assert started(act([SPOT, DEAR], waiting=9)) == {"s": 5}


@pytest.mark.parametrize(
    "fields", [{}, {"state": NodeState.STOPPED, "interrupted": True, "ready_at": NOW - 60}]
)
def test_failures_within_the_window_open_the_circuit(fields):
    nodes = [failed("s-1", **fields), failed("s-2", **fields)]
    (switch,) = [a for a in act([SPOT, DEAR], nodes, waiting=3) if isinstance(a, Switch)]
    assert (switch.circuit, switch.until, switch.trips) == (Circuit.OPEN, NOW + 60, 1)
    old = [replace(one, ended=NOW - SPOT.window_seconds - 1) for one in nodes]
    assert started(act([SPOT, DEAR], old, waiting=3)) == {"s": 3}


def test_a_node_that_worked_before_it_failed_does_not_open_the_circuit():
    nodes = [failed(f"s-{n}", ready_at=NOW - 60) for n in range(5)]
    assert started(act([SPOT], nodes, waiting=1)) == {"s": 1}


def test_while_the_circuit_is_open_the_fallback_takes_what_the_pool_cannot():
    opened = replace(SPOT, minimum=2, circuit=Circuit.OPEN, circuit_until=NOW + 9, trips=1)
    nodes = [busy("s-1", pool="s")]
    assert started(act([opened, DEAR], nodes, waiting=3)) == {"d": 3}
    assert started(act([opened, DEAR], nodes)) == {"d": 1}


def test_after_a_while_one_node_may_try_and_the_fallback_has_the_rest():
    opened = replace(SPOT, circuit=Circuit.OPEN, circuit_until=NOW, trips=1)
    (switch,) = [a for a in act([opened, DEAR], waiting=3) if isinstance(a, Switch)]
    assert (switch.circuit, switch.trips) == (Circuit.HALF_OPEN, 1)
    trying = replace(opened, circuit=Circuit.HALF_OPEN, circuit_since=NOW - 30)
    assert started(act([trying, DEAR], waiting=3)) == {"s": 1, "d": 2}
    assert started(act([trying, DEAR], [starting("s-1", pool="s")], waiting=3)) == {"d": 2}


def test_a_try_that_fails_opens_the_circuit_for_longer_each_time_up_to_a_limit():
    since = NOW - 20
    for trips, pause in [(1, 120), (2, 240), (5, 1920), (6, 3600), (400, 3600)]:
        trying = replace(SPOT, circuit=Circuit.HALF_OPEN, circuit_since=since, trips=trips)
        nodes = [failed("s-1", requested=since + 1), failed("s-0", requested=since - 1)]
        (switch,) = act([trying], nodes)
        assert (switch.circuit, switch.until - NOW) == (Circuit.OPEN, pause)
        assert not act([trying], nodes[1:])


def test_a_try_that_becomes_ready_closes_the_circuit():
    trying = replace(SPOT, circuit=Circuit.HALF_OPEN, circuit_since=NOW - 60, trips=4)
    (switch,) = act([trying], [node("s-1", pool="s", ready_at=NOW - 1)])
    assert (switch.circuit, switch.trips) == (Circuit.CLOSED, 0)


moments = some.floats(NOW - 2000, NOW)
pool_views = some.builds(
    PoolView,
    name=some.just("p"),
    minimum=some.integers(0, 3),
    maximum=some.integers(3, 6),
    step=some.integers(1, 4),
    jobs_per_node=some.integers(1, 3),
    circuit=some.sampled_from(Circuit.values),
    circuit_since=moments,
    circuit_until=moments,
    last_scaled=moments,
    idle_seconds=some.sampled_from([0.0, 300.0]),
)
seen = some.builds(
    Observed,
    name=some.just("n"),
    pool=some.just("p"),
    phase=some.sampled_from(["pending", "running", "ended", "failed"]),
    interrupted=some.booleans(),
)
node_views = some.builds(
    NodeView,
    name=some.uuids().map(str),
    pool=some.just("p"),
    state=some.sampled_from(NodeState.values),
    target=some.sampled_from(Target.values),
    by_hand=some.booleans(),
    interrupted=some.booleans(),
    requested=moments,
    started=some.none() | moments,
    ready_at=some.none() | moments,
    heartbeat=some.none() | moments,
    idle_since=some.none() | moments,
    drain_deadline=some.none() | some.floats(NOW - 500, NOW + 500),
    ended=some.none() | moments,
    jobs=some.integers(0, 2),
    seen=some.none() | seen,
)
pictures = some.tuples(pool_views, some.lists(node_views, max_size=8), some.integers(0, 12))


def room_taken(nodes):
    """Count the nodes that take up room: all that are there but interrupted ones."""
    draining = NodeState.DRAINING
    return sum(
        n.state in PRESENT
        and not (n.interrupted and (n.state == draining or n.target == Target.STOPPED))
        for n in nodes
    )


@settings(max_examples=200, deadline=None)
@given(pictures)
def test_no_pool_ever_starts_nodes_above_its_maximum(picture):
    pool, nodes, waiting = picture
    actions = act([pool], nodes, waiting)
    if count := sum(started(actions).values()):
        leaving = {a.node.name for a in actions if isinstance(a, Drain) and a.interrupted}
        leaving |= {a.node.name for a in actions if isinstance(a, End)}
        assert room_taken([n for n in nodes if n.name not in leaving]) + count <= pool.maximum
        assert count <= pool.step


@settings(max_examples=200, deadline=None)
@given(pictures)
def test_a_node_at_work_is_stopped_only_when_it_is_gone_or_its_deadline_is_over(picture):
    pool, nodes, waiting = picture
    actions = act([pool], nodes, waiting)
    ended = {a.node.name for a in actions if isinstance(a, End)}
    by_name = {n.name: n for n in nodes}
    for action in actions:
        if isinstance(action, Stop) and action.name not in ended:
            stopped = by_name[action.name]
            if stopped.state == NodeState.DRAINING:
                assert stopped.drain_deadline is None or stopped.drain_deadline <= NOW
            else:
                assert stopped.state not in (NodeState.READY, NodeState.REQUESTED)
        if isinstance(action, Drain):
            asked = action.interrupted or action.node.target == Target.STOPPED
            assert asked or action.node.jobs == 0
        if isinstance(action, End):
            alive = action.node.seen and action.node.seen.phase in ("pending", "running")
            beats = action.node.heartbeat is not None and action.node.heartbeat > NOW - 30
            assert not (alive and beats and action.node.state in ("ready", "draining"))


CALM = World(interruptions=0, start_failures=0, outage=(0, 0))


def day(pool, works=()):
    made = Day({"p": pool}, CALM, random.Random(1))
    made.queue.extend(works)
    return made


@settings(max_examples=40, deadline=None)
@given(some.integers(0, 40), some.integers(0, 5), some.integers(5, 30), some.integers(1, 9))
def test_under_constant_demand_the_wanted_number_is_reached_soon_and_then_kept(
    jobs, minimum, maximum, step
):
    pool = PoolView("p", minimum=minimum, maximum=maximum, step=step)
    run = day(pool, [Work(0, 1e9, 1) for _ in range(jobs)])
    wanted = max(minimum, min(jobs, maximum))
    for _ in range(wanted // step + 15):
        run.advance(5, [])
    assert sum(map(takes_jobs, run.nodes.values())) == wanted
    for _ in range(200):
        run.now += 5
        assert run.decide() == []


@settings(max_examples=20, deadline=None)
@given(some.integers(1, 20), some.floats(50, 250))
def test_a_load_that_comes_and_goes_faster_than_nodes_are_let_go_starts_none_anew(jobs, period):
    run = day(PoolView("p", maximum=30))
    peak = 0
    for _ in range(12):
        run.queue.extend(Work(run.now, period / 5, 1) for _ in range(jobs))
        for _ in range(int(period // 5)):
            run.advance(5, [])
        peak = max(peak, run.most)
    assert run.counts["nodes"] == peak <= jobs * 2


def test_without_demand_the_last_node_goes():
    run = day(PoolView("p", maximum=9), [Work(0, 60, 1) for _ in range(9)])
    for _ in range(200):
        run.advance(5, [])
    assert run.counts["nodes"] == 9
    assert not any(n.state in PRESENT for n in run.nodes.values())
