"""When a pool may start nodes: always, not for a while, or one to see whether it works again."""

from collections.abc import Iterable

from compute.provisioner.actions import Switch
from compute.provisioner.picture import NodeView, PoolView
from compute.provisioner.states import Circuit, NodeState

BEGINNING = (NodeState.REQUESTED, NodeState.STARTING)


def judge(pool: PoolView, nodes: Iterable[NodeView], now: float) -> Switch | None:
    """Return how the pool's circuit changes, if it does."""
    since = pool.circuit_since
    if pool.circuit == Circuit.OPEN:
        if now < pool.circuit_until:
            return None
        return Switch(pool, Circuit.HALF_OPEN, 0.0, pool.trips, "time to try one node")
    if pool.circuit == Circuit.CLOSED:
        horizon = max(since, now - pool.window_seconds)
        failed = sum(_failed_at(node, now) > horizon for node in nodes)
        why = f"{failed} failed starts or interruptions within {pool.window_seconds:g} s"
        return _opened(pool, now, why) if failed >= pool.failures else None
    if any(node.ready_at is not None and node.ready_at >= since for node in nodes):
        return Switch(pool, Circuit.CLOSED, 0.0, 0, "a node became ready")
    if any(node.requested >= since and _failed_at(node, now) for node in nodes):
        return _opened(pool, now, "the node that was to try failed")
    return None


def allowance(pool: PoolView, nodes: Iterable[NodeView]) -> int:
    """Return how many nodes the circuit lets the pool start beyond those it has."""
    if pool.circuit == Circuit.CLOSED:
        return pool.maximum
    if pool.circuit == Circuit.OPEN:
        return 0
    trying = any(n.state in BEGINNING and n.requested >= pool.circuit_since for n in nodes)
    return 0 if trying else 1


def _failed_at(node: NodeView, now: float) -> float:
    """Return when the node failed to start or was interrupted; 0 if it did neither."""
    if node.interrupted:
        return now if node.ended is None else node.ended
    never_ready = node.state == NodeState.FAILED and node.ready_at is None
    return node.ended or 0.0 if never_ready else 0.0


def _opened(pool: PoolView, now: float, why: str) -> Switch:
    pause = min(pool.retry_seconds * 2.0 ** min(pool.trips, 60), pool.longest_retry_seconds)
    return Switch(pool, Circuit.OPEN, now + pause, pool.trips + 1, f"{why}; again in {pause:g} s")
