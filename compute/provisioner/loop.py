"""Observe, decide, apply, measure; only while this process leads.

Nothing is remembered from one round to the next but who leads. Every change is made inside the
leader's fence and on the condition that the record is as it was seen; every call of a backend may
be repeated. So a round may be cut off anywhere, and the next one goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import singledispatchmethod

import structlog
from django.conf import settings
from django.utils import timezone

from compute.provisioner import clusters, metrics, nodes, observation, policy
from compute.provisioner.actions import Action, Drain, End, Launch, Ready, Start, Stop, Switch
from compute.provisioner.backends.base import Backend, BackendError, NodeSpec, StartRefused
from compute.provisioner.leader import Leadership
from compute.provisioner.models import Node, NodeState, Role

Backends = Mapping[str, Backend]

GAP_SECONDS = 5.0
"""Time between two rounds after which nobody knows who gave a sign of life in between."""

logger = structlog.get_logger(__name__)


class Loop:
    """The rounds of one provisioner.

    `backends` returns those that there are pools for; `begin` is called when it comes to lead.
    """

    def __init__(
        self,
        leadership: Leadership,
        backends: Callable[[], Backends],
        begin: Callable[[], None] = lambda: None,
    ) -> None:
        self._leadership = leadership
        self._find_backends = backends
        self._begin = begin
        self._backends: Backends = {}
        self._backend_of: Mapping[str, str] = {}
        self._away: set[str] = set()
        self._heard_since = self._last = 0.0

    def round(self) -> Sequence[Action] | None:
        """Do what is to be done now and return it; None while another process leads.

        Raises Deposed when another took over meanwhile, and the errors of the database.
        """
        led = self._leadership.generation
        if not self._leadership.lead():
            return None
        if led != self._leadership.generation:
            metrics.RECONNECT.inc()
            logger.info("provisioner leads", generation=self._leadership.generation)
            with self._leadership.fence():
                self._begin()
        with metrics.LOOP.time():
            with metrics.STATE.labels("observe").time():
                with self._leadership.fence():
                    clusters.tend()
                self._backends, self._away = self._find_backends(), set()
                picture = observation.take(self._backends, self._listen())
            with metrics.STATE.labels("decide").time():
                actions = policy.decide(
                    picture.demand, picture.pools, picture.nodes, picture.time, picture.strays
                )
            with metrics.STATE.labels("apply").time():
                self._backend_of = {pool.name: pool.backend for pool in picture.pools}
                for action in actions:
                    self._apply(action)
        return actions

    def _listen(self) -> float:
        """Return since when signs of life would have been seen without a break.

        While this process was halted, the database away or the clock turned, none could be.
        """
        now = timezone.now().timestamp()
        if not 0 <= now - self._last <= GAP_SECONDS:
            self._heard_since = now
        self._last = now
        return self._heard_since

    @singledispatchmethod
    def _apply(self, action: Action) -> None:
        raise TypeError(action)

    @_apply.register
    def _(self, action: Start) -> None:
        with self._leadership.fence():
            made = nodes.create(action.pool, action.count, action.why)
        if made:
            metrics.QUEUED.inc(len(made))
            logger.info("nodes requested", pool=action.pool.name, nodes=len(made), why=action.why)

    @_apply.register
    def _(self, action: Launch) -> None:
        backend = self._backend_of[action.node.pool]
        with self._leadership.fence():
            node = nodes.may_launch(action.node)
        if node is None:
            return
        try:
            started = self._call(
                backend, "start", lambda: self._backends[backend].start(spec(node))
            )
        except StartRefused as error:
            with self._leadership.fence():
                nodes.refused(action.node, str(error), transient=error.transient)
            metrics.QUEUE_ERROR.inc()
            logger.warning("node refused", node=node.name, reason=str(error))
            return
        if started is not None:
            with self._leadership.fence():
                nodes.launched(action.node, started)
            metrics.STARTS.labels(action.node.pool).inc()
            logger.info("node started", node=node.name, reference=started)

    @_apply.register
    def _(self, action: Ready) -> None:
        with self._leadership.fence():
            nodes.ready(action.node)

    @_apply.register
    def _(self, action: Drain) -> None:
        with self._leadership.fence():
            done = nodes.drain(
                action.node, action.deadline, action.why, interrupted=action.interrupted
            )
        if done:
            logger.info("node drains", node=action.node.name, why=action.why)
            if action.interrupted:
                metrics.INTERRUPTIONS.labels(action.node.pool).inc()

    @_apply.register
    def _(self, action: Stop) -> None:
        if action.backend not in self._backends:
            return
        self._leadership.check()
        stop = self._backends[action.backend].stop
        self._call(action.backend, "stop", lambda: stop(action.name, action.grace_seconds))
        if action.why:
            logger.info("node told to end", node=action.name, why=action.why)

    @_apply.register
    def _(self, action: End) -> None:
        with self._leadership.fence():
            done = nodes.end(action.node, action.state, action.why)
        if done:
            _count_end(action)
            logger.info("node ended", node=action.node.name, state=action.state, why=action.why)

    @_apply.register
    def _(self, action: Switch) -> None:
        with self._leadership.fence():
            nodes.switch(action.pool, action.circuit, action.until, action.trips, action.why)
        logger.info("circuit", pool=action.pool.name, state=action.circuit, why=action.why)

    def _call(self, backend: str, verb: str, call: Callable[[], str | None]) -> str | None:
        """Call a backend; None when it is away, and then for the rest of the round."""
        if backend in self._away:
            return None
        status = "ok"
        try:
            with metrics.CALL.labels(verb).time():
                return call()
        except StartRefused:
            status = "refused"
            raise
        except BackendError as error:
            status = "away"
            self._away.add(backend)
            logger.warning("backend away", backend=backend, reason=str(error))
            return None
        finally:
            metrics.RESPONSE.labels(status).inc()


def spec(node: Node) -> NodeSpec:
    """Return what the backend needs to know of a recorded node of a pool."""
    pool = node.pool
    assert pool is not None  # noqa: S101
    grace = min(settings.COMPUTE.grace_seconds, max(pool.grace_seconds, 1.0))
    return NodeSpec(
        name=node.name,
        pool=pool.name,
        role=pool.role,
        queue=pool.queue,
        owner=node.owner,
        labels=node.labels,
        cpu=node.cpu,
        memory=node.memory,
        gpu=node.gpu,
        image=node.image,
        capacity=node.capacity,
        node_selector=pool.node_selector,
        tolerations=pool.tolerations,
        priority_class=pool.priority_class,
        grace_seconds=pool.grace_seconds,
        environment={"COMPUTE_NODE": node.name, "COMPUTE_GRACE_SECONDS": f"{grace:g}"},
        jobs=pool.jobs_per_node,
        job=str(node.job or ""),
        command=("dask",) if pool.role == Role.DASK else (),
    )


def _count_end(action: End) -> None:
    node = action.node
    if action.state != NodeState.STOPPED:
        metrics.FAILURES.labels(node.pool, action.state).inc()
    if action.state == NodeState.LOST and node.heartbeat is not None and node.seen is not None:
        metrics.MISSED_HEARTBEAT.inc()
    if (since := nodes.drained_since(node)) is not None:
        metrics.DRAINS.labels(node.pool).observe((timezone.now() - since).total_seconds())
