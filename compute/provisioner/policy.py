"""What is to be done now: a pure function of what there is, what is wanted and the time.

Nothing is remembered between two calls, so it does not matter who asked the last time, what became
of the answer, or whether somebody changed a record meanwhile.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from compute.provisioner import circuit, lifecycle
from compute.provisioner.actions import Action, Drain, End, Start, Stop
from compute.provisioner.allocation import wanted
from compute.provisioner.backends.base import Observed
from compute.provisioner.picture import Demand, NodeView, PoolView
from compute.provisioner.states import NodeState, Role, Target

COMING = (NodeState.REQUESTED, NodeState.STARTING, NodeState.READY)


def decide(
    demand: Demand,
    pools: Sequence[PoolView],
    nodes: Sequence[NodeView],
    now: float,
    strays: Mapping[str, Sequence[Observed]] | None = None,
) -> list[Action]:
    """Return the actions that bring the nodes to what is wanted.

    `nodes` holds those that are there and those that ended within their pool's window or are still
    seen; `strays`, by backend, what bears our label and has no record.
    """
    by_name = {pool.name: pool for pool in pools}
    of_pool: dict[str, list[NodeView]] = defaultdict(list)
    actions: list[Action] = [
        Stop(backend, stray.name, 0.0, "it has no record")
        for backend, found in (strays or {}).items()
        for stray in found
    ]
    leaving: set[str] = set()
    for node in nodes:
        if (pool := by_name.get(node.pool)) is None:
            continue
        of_pool[pool.name].append(node)
        for step in lifecycle.next_steps(node, pool, now):
            actions.append(step)
            if isinstance(step, Drain | End | Stop) and not _is_replaced(node, step):
                leaving.add(node.name)
    alive = {pool.name: _alive(of_pool[pool.name], leaving) for pool in pools}
    counts = wanted(demand, pools, alive)
    for pool in pools:
        if pool.reachable:
            if switch := circuit.judge(pool, of_pool[pool.name], now):
                actions.append(switch)
            elif pool.role == Role.WORKER:
                present = alive[pool.name]
                actions += _scale(
                    pool, counts[pool.name], present, _held(of_pool[pool.name], leaving), now
                )
    return actions


def _alive(nodes: Sequence[NodeView], leaving: set[str]) -> list[NodeView]:
    return [node for node in nodes if takes_jobs(node) and node.name not in leaving]


def _is_replaced(node: NodeView, step: Drain | End | Stop) -> bool:
    """Tell whether another node is recorded for it as it goes, so that its place is not free."""
    asked = node.by_hand and node.target == Target.RUNNING and node.ready_at is not None
    return asked and not (isinstance(step, End) and step.state == NodeState.STOPPED)


def takes_jobs(node: NodeView) -> bool:
    """Tell whether the node takes jobs or soon will."""
    return node.state in COMING and node.target == Target.RUNNING


def _held(nodes: Sequence[NodeView], leaving: set[str]) -> int:
    """Return how many more nodes take up the room of the pool until they have ended.

    Interrupted ones do not count: their replacements run beside them for the time of the notice.
    """
    return sum(
        not node.interrupted
        and (node.state == NodeState.DRAINING or node.target == Target.STOPPED)
        and node.state in (*COMING, NodeState.DRAINING)
        for node in nodes
    )


def _scale(
    pool: PoolView, count: int, alive: Sequence[NodeView], held: int, now: float
) -> list[Action]:
    missing = count - len(alive)
    if missing > 0:
        room = pool.maximum - len(alive) - held
        number = min(missing, pool.step, room, circuit.allowance(pool, alive))
        why = f"{count} wanted, {len(alive)} there"
        return [Start(pool, number, why)] if number > 0 else []
    if missing == 0 or now - pool.last_scaled < pool.cooldown_seconds:
        return []
    idle = sorted(
        (node for node in alive if _is_idle(node, pool, now)),
        key=lambda node: node.idle_since or now,
    )
    why = f"idle, and {count} of {len(alive)} wanted"
    return [Drain(node, now + pool.drain_seconds, why) for node in idle[:-missing]]


def _is_idle(node: NodeView, pool: PoolView, now: float) -> bool:
    return (
        node.state == NodeState.READY
        and not node.by_hand
        and node.jobs == 0
        and node.idle_since is not None
        and now - node.idle_since >= pool.idle_seconds
    )
