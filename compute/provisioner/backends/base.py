"""What the loop asks of a backend: three verbs, each of which may be repeated at any time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Phase = Literal["pending", "running", "ended", "failed"]


class BackendError(Exception):
    """The backend does not answer, so nothing is known about its nodes; the text is for people."""


class StartRefused(Exception):
    """A node cannot be started; the text is for people.

    `transient` tells that the same may work later: a quota, no room, too many requests.
    """

    def __init__(self, text: str, *, transient: bool = False) -> None:
        super().__init__(text)
        self.transient = transient


@dataclass(frozen=True, slots=True)
class NodeSpec:
    """What is to be started.

    `cpu` is in cores, `memory` in bytes, 0 of either is no limit. `jobs` is how many it computes at
    once, `job` the one a dask node works for, `command` what follows `compute` if it is no worker.
    The node has `grace_seconds` between being told to end and its end. `environment` comes on top
    of the deployment's own.
    """

    name: str
    pool: str
    role: str = "worker"
    queue: str = "ingress"
    owner: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu: float = 0.0
    memory: int = 0
    gpu: int = 0
    image: str = ""
    capacity: str = "on-demand"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, Any]] = ()
    priority_class: str = ""
    grace_seconds: float = 30.0
    environment: Mapping[str, str] = field(default_factory=dict)
    jobs: int = 1
    job: str = ""
    command: Sequence[str] = ()

    @property
    def arguments(self) -> list[str]:
        """What follows `compute` on the node's command line."""
        if self.command:
            return list(self.command)
        return ["worker", "--queues", self.queue, "--concurrency", str(self.jobs)]


@dataclass(frozen=True, slots=True)
class Observed:
    """A node as its backend sees it, recorded or not.

    `reference` is what the backend calls it, `reason` says why it is as it is, `interrupted` that
    it is to be taken away: it bears a notice.
    """

    name: str
    pool: str
    phase: Phase
    reference: str = ""
    reason: str = ""
    interrupted: bool = False


class Backend(Protocol):
    """Starts and stops nodes. Every method may raise BackendError."""

    def start(self, spec: NodeSpec) -> str:
        """Start the node unless one of that name is there, and return its reference.

        Raises StartRefused.
        """

    def observe(self) -> list[Observed]:
        """Return every node that bears our label, also those nobody has a record of."""

    def stop(self, name: str, grace_seconds: float) -> None:
        """Tell the node to end, end it by force when the grace is over, remove what it left.

        It returns at once. To be called until the node is observed no longer; stopping one that is
        not there is no error.
        """
