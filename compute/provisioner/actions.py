"""What the policy may ask for. Each action says why, for the events and the log."""

from dataclasses import dataclass

from compute.provisioner.picture import NodeView, PoolView


@dataclass(frozen=True, slots=True)
class Start:
    """Record `count` new nodes in a pool; they are launched in the next round."""

    pool: PoolView
    count: int
    why: str


@dataclass(frozen=True, slots=True)
class Launch:
    """Have the backend start a recorded node."""

    node: NodeView


@dataclass(frozen=True, slots=True)
class Ready:
    """Note that a node without a heartbeat of its own is there."""

    node: NodeView


@dataclass(frozen=True, slots=True)
class Drain:
    """Let a node take no more jobs; what runs after the deadline is handed back."""

    node: NodeView
    deadline: float
    why: str
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Have the backend end a node, by force when the grace is over, and remove what it left."""

    backend: str
    name: str
    grace_seconds: float
    why: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """Note that a node is gone: stopped, failed or lost. Its jobs go back to their queues."""

    node: NodeView
    state: str
    why: str


@dataclass(frozen=True, slots=True)
class Switch:
    """Open, half-open or close the circuit of a pool."""

    pool: PoolView
    circuit: str
    until: float
    trips: int
    why: str


Action = Start | Launch | Ready | Drain | Stop | End | Switch
