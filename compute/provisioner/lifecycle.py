"""What becomes of one node: what its record and its backend say, and what time it is."""

from compute.provisioner.actions import Action, Drain, End, Launch, Ready, Stop
from compute.provisioner.picture import NodeView, PoolView
from compute.provisioner.states import PRESENT, NodeState, Role, Target

SETTLE_SECONDS = 10.0
"""Time in which a backend shows what it has just started."""

SILENT_INTERVALS = 3


def next_steps(node: NodeView, pool: PoolView, now: float) -> list[Action]:
    """Return what is to be done about the node now; nothing while its backend is away."""
    if not pool.reachable:
        return []
    if node.state not in PRESENT:
        return [Stop(pool.backend, node.name, 0.0)] if node.seen else []
    if node.state == NodeState.REQUESTED:
        return [_begin(node, pool, now)]
    if (gone := _gone(node, pool, now)) is not None:
        return [gone, Stop(pool.backend, node.name, 0.0)] if node.seen else [gone]
    if node.seen is None:
        return []
    if node.seen.interrupted and node.target == Target.RUNNING:
        return [_interrupt(node, pool, now)]
    return {
        NodeState.STARTING: _starting,
        NodeState.READY: _ready,
        NodeState.DRAINING: _draining,
    }[NodeState(node.state)](node, pool, now)


def _begin(node: NodeView, pool: PoolView, now: float) -> Action:
    if node.target == Target.STOPPED:
        return End(node, NodeState.STOPPED, "not wanted any more")
    if now - node.requested > pool.start_seconds:
        return End(node, NodeState.FAILED, f"not started within {pool.start_seconds:g} s")
    return Launch(node)


def _gone(node: NodeView, pool: PoolView, now: float) -> End | None:
    leaving = node.state == NodeState.DRAINING or node.target == Target.STOPPED or node.interrupted
    if node.seen is None:
        if now - (node.started or now) < SETTLE_SECONDS:
            return None
        return End(node, NodeState.STOPPED if leaving else NodeState.LOST, "it is not there")
    if node.seen.phase in ("ended", "failed"):
        # A worker ends without an error only when it is told to.
        clean = leaving or node.seen.phase == "ended"
        state = NodeState.STOPPED if clean else NodeState.FAILED
        return End(node, state, node.seen.reason or f"it has {node.seen.phase}")
    silence = SILENT_INTERVALS * pool.heartbeat_seconds
    if node.heartbeat is not None and now - node.heartbeat > silence:
        return End(node, NodeState.LOST, f"silent for more than {silence:g} s")
    return None


def _interrupt(node: NodeView, pool: PoolView, now: float) -> Drain:
    """Leave the jobs as much of the notice as their worker does not need to hand them back."""
    deadline = now + max(0.0, pool.grace_seconds - pool.handback_seconds)
    return Drain(node, deadline, "its capacity is taken away", interrupted=True)


def _starting(node: NodeView, pool: PoolView, now: float) -> list[Action]:
    assert node.seen is not None  # noqa: S101
    if node.target == Target.STOPPED:
        return [Stop(pool.backend, node.name, pool.grace_seconds)]
    if pool.role == Role.DASK and node.seen.phase == "running":
        return [Ready(node)]
    if now - (node.started or node.requested) > pool.start_seconds:
        why = f"not ready within {pool.start_seconds:g} s"
        return [End(node, NodeState.FAILED, why), Stop(pool.backend, node.name, 0.0)]
    return []


def _ready(node: NodeView, pool: PoolView, now: float) -> list[Action]:
    if node.target == Target.RUNNING:
        return []
    deadline = now + pool.drain_seconds if node.drain_deadline is None else node.drain_deadline
    return [Drain(node, deadline, "to be stopped")]


def _draining(node: NodeView, pool: PoolView, now: float) -> list[Action]:
    overdue = node.drain_deadline is None or now >= node.drain_deadline
    if not overdue and pool.role == Role.WORKER:
        return []
    return [Stop(pool.backend, node.name, pool.grace_seconds, "its time to drain is over")]
