"""What the policy looks at: pools, nodes and waiting jobs at one moment, as plain values.

Times are seconds since the epoch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from compute.provisioner.backends.base import Observed
from compute.provisioner.states import Capacity, Circuit, NodeState, Role, Target


@dataclass(frozen=True, slots=True)
class PoolView:
    """A pool's record; `handback_seconds` is what a worker takes to hand its jobs back.

    A pool is `reachable` while its backend answers.
    """

    name: str
    version: int = 1
    backend: str = "local"
    role: str = Role.WORKER
    queues: tuple[str, ...] = ("ingress",)
    minimum: int = 0
    maximum: int = 1
    capacity: str = Capacity.ON_DEMAND
    fallback: str | None = None
    price_per_hour: float = 0.0
    jobs_per_node: int = 1
    bytes_per_node: int = 50_000_000_000
    step: int = 10
    idle_seconds: float = 300.0
    cooldown_seconds: float = 60.0
    start_seconds: float = 300.0
    heartbeat_seconds: float = 10.0
    grace_seconds: float = 30.0
    drain_seconds: float = 600.0
    handback_seconds: float = 20.0
    failures: int = 3
    window_seconds: float = 600.0
    retry_seconds: float = 60.0
    longest_retry_seconds: float = 3600.0
    circuit: str = Circuit.CLOSED
    circuit_since: float = 0.0
    circuit_until: float = 0.0
    trips: int = 0
    last_scaled: float = 0.0
    reachable: bool = True


@dataclass(frozen=True, slots=True)
class NodeView:
    """A node's record, what its backend sees of it, and how many jobs it runs."""

    name: str
    pool: str
    state: str = NodeState.READY
    target: str = Target.RUNNING
    version: int = 1
    by_hand: bool = False
    interrupted: bool = False
    requested: float = 0.0
    started: float | None = None
    ready_at: float | None = None
    heartbeat: float | None = None
    idle_since: float | None = None
    drain_deadline: float | None = None
    ended: float | None = None
    jobs: int = 0
    seen: Observed | None = None
    id: int = 0


Sizes = Sequence[int | None]


@dataclass(frozen=True, slots=True)
class Demand:
    """Jobs that wait in each queue and may start, as their estimated bytes, None if unknown.

    The one that is to start first comes first.
    """

    waiting: Mapping[str, Sizes] = field(default_factory=dict)
