"""The words that records use for what something is and where it stands."""

from django.db.models import TextChoices


class Backend(TextChoices):
    """Where the nodes of a pool run."""

    LOCAL = "local"
    KUBERNETES = "kubernetes"


class Role(TextChoices):
    """What the nodes of a pool do: take jobs from a queue, or compute parts of one big job."""

    WORKER = "worker"
    DASK = "dask"


class Capacity(TextChoices):
    """How a node is paid for; spot nodes are cheap and may be taken away at short notice."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"


class Circuit(TextChoices):
    """Whether a pool may start nodes: yes, no, or one to see whether it can again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class NodeState(TextChoices):
    """Where a node stands."""

    REQUESTED = "requested"
    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    LOST = "lost"
    FAILED = "failed"


PRESENT = (NodeState.REQUESTED, NodeState.STARTING, NodeState.READY, NodeState.DRAINING)
"""States of a node that is there or about to be; every other state is an end."""


class Target(TextChoices):
    """Where a node is to get to."""

    RUNNING = "running"
    STOPPED = "stopped"
