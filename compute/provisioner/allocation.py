"""How many nodes each pool is to have.

Nodes that compute stay. The jobs that wait are shared out one by one: each goes to the cheapest
pool of its queue that has room, and is worth at most one node, at least its share of one. A pool
that is another's fallback gets jobs only while the other's circuit is not closed.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil

from compute.provisioner.circuit import allowance
from compute.provisioner.picture import Demand, NodeView, PoolView
from compute.provisioner.states import Circuit, Role

TINY = 1e-9
"""What sums of fractions of nodes may be off by."""


def wanted(
    demand: Demand, pools: Sequence[PoolView], alive: Mapping[str, Sequence[NodeView]]
) -> dict[str, int]:
    """Return the number of nodes by pool; `alive` are those that may take jobs or soon will."""
    serving = sorted(
        (pool for pool in pools if pool.role == Role.WORKER),
        key=lambda pool: (pool.price_per_hour, pool.name),
    )
    shares = {pool.name: _Share(pool, alive[pool.name]) for pool in serving}
    for pool in serving:
        if (missing := pool.minimum - shares[pool.name].limit) > 0 and pool.fallback in shares:
            shares[pool.fallback].minimum += missing
    for queue, sizes in demand.waiting.items():
        taking = [shares[pool.name] for pool in _taking(queue, serving)]
        _share_out(sizes, taking)
    return {name: share.nodes() for name, share in shares.items()}


class _Share:
    """A pool's part of the work."""

    def __init__(self, pool: PoolView, alive: Sequence[NodeView]) -> None:
        self.pool = pool
        self.busy = sum(node.jobs > 0 for node in alive)
        running = sum(node.jobs for node in alive)
        # Jobs that the busy nodes compute beside those they have.
        self.free = max(0, self.busy * pool.jobs_per_node - running) / pool.jobs_per_node
        self.limit = min(pool.maximum, len(alive) + allowance(pool, alive))
        self.minimum = pool.minimum
        self.room = max(0, self.limit - self.busy) + self.free
        self.load = 0.0

    def take(self, size: int | None) -> bool:
        """Take a job if there is room for it."""
        least = 1 / self.pool.jobs_per_node
        worth = least if size is None else min(max(size / self.pool.bytes_per_node, least), 1.0)
        if self.load + worth > self.room + TINY:
            return False
        self.load += worth
        return True

    def nodes(self) -> int:
        """Return how many nodes the pool is to have."""
        needed = self.busy + ceil(max(0.0, self.load - self.free) - TINY)
        return min(max(needed, self.minimum), self.pool.maximum)


def _taking(queue: str, pools: Iterable[PoolView]) -> list[PoolView]:
    pools = list(pools)
    usual = {pool.fallback for pool in pools}
    helped = {pool.fallback for pool in pools if pool.circuit != Circuit.CLOSED}
    spare = usual - helped
    return [pool for pool in pools if queue in pool.queues and pool.name not in spare]


def _share_out(sizes: Iterable[int | None], shares: Sequence[_Share]) -> None:
    for size in sizes:
        if not any(share.take(size) for share in shares):
            return
