"""Dask clusters for big jobs: recorded by the worker of a job, kept and removed by the loop.

A cluster is a scheduler, on demand where there is such a pool, and workers, the cheapest there are.
It belongs to one attempt of a job and goes when that ends, however it ends: the worker removes it,
else the loop, else its scheduler when it has been idle for long.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil

import structlog
from django.db import transaction
from django.db.models import QuerySet

from compute.provisioner import events
from compute.provisioner.drains import send_away
from compute.provisioner.errors import Changed
from compute.provisioner.models import (
    PRESENT,
    Capacity,
    Circuit,
    Cluster,
    Node,
    NodeJob,
    Pool,
    Role,
    Target,
)
from compute_wps.models import Job, State
from compute_wps.patience import AWAY, patiently

ACTOR = "provisioner"
LOOK_SECONDS = 0.2
LOST_WORKERS = 10
"""How many times its workers a cluster may lose before they are not replaced any more."""

CREDENTIALS = ("tls_ca_file", "tls_client_cert", "tls_client_key")

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a scheduler listens, what it takes to talk to it, seconds its workers may take."""

    address: str
    credentials: Mapping[str, str]
    seconds: float


@contextlib.contextmanager
def cluster_for(job: Job, size: int, check: Callable[[], None]) -> Iterator[Place | None]:
    """Give a cluster for a running job that reads so many bytes, None when none can be had.

    `check` is called while it is waited for, and ends that by raising.
    """
    cluster = patiently(lambda: _request(job, size))
    if cluster is None:
        yield None
        return
    try:
        yield _await(cluster, check)
    finally:
        with contextlib.suppress(*AWAY):
            release(cluster, "its job needs it no more")


def published(node: str, address: str) -> bool:
    """Note where the scheduler of a cluster listens; False when nobody wants it any more."""
    return bool(Cluster.objects.filter(name=_cluster_of(node)).update(address=address))


def of_node(node: str) -> Cluster | None:
    """Return the cluster a node belongs to."""
    return Cluster.objects.select_related("pool").filter(name=_cluster_of(node)).first()


def is_scheduler(node: str) -> bool:
    """Tell whether the node of this name is the scheduler of its cluster."""
    return node == _scheduler(_cluster_of(node))


def tend() -> None:
    """Remove clusters whose job does not run any more, replace lost workers, note the work done."""
    for cluster in Cluster.objects.select_related("pool"):
        held = Job.objects.filter(pk=cluster.job, attempt=cluster.attempt, status=State.STARTED)
        if not held.exists():
            release(cluster, "its job does not run any more")
        elif cluster.address:
            _replace_lost(cluster)
    worked = Node.objects.filter(job__isnull=False, started__isnull=False, ended__isnull=False)
    for node in worked.filter(jobs__isnull=True):
        NodeJob.objects.create(
            node=node, job=node.job, owner=node.owner, started=node.started, ended=node.ended
        )


def release(cluster: Cluster, why: str) -> None:
    """Have the nodes of a cluster stopped and forget it; one that changes just now comes later."""
    with contextlib.suppress(Changed), transaction.atomic():
        for node in _nodes(cluster).filter(target=Target.RUNNING):
            send_away(node, ACTOR, 0.0)
        if Cluster.objects.filter(pk=cluster.pk).delete()[0]:
            logger.info("dask cluster removed", cluster=cluster.name, reason=why)


def _request(job: Job, size: int) -> Cluster | None:
    """Record a cluster and its nodes; None when no pool has room for it."""
    with transaction.atomic():
        pools = list(Pool.objects.select_for_update().filter(role=Role.DASK))
        room = {pool.name: pool.maximum - _present(pool) for pool in pools}
        first = min(
            pools, key=lambda p: (p.capacity != Capacity.ON_DEMAND, *_cost(p)), default=None
        )
        if first is None or room[first.name] < 1:
            return None
        room[first.name] -= 1
        pool = min((p for p in _usable(pools) if room[p.name] > 0), key=_cost, default=None)
        if pool is None:
            return None
        cluster = Cluster.objects.create(
            name=f"dask-{job.id.hex[:8]}-{job.attempt}",
            job=job.id,
            attempt=job.attempt,
            owner=job.owner,
            pool=pool,
            workers=min(max(1, ceil(size / pool.bytes_per_node)), room[pool.name]),
            credentials=_credentials(),
        )
        _add(cluster, first, _scheduler(cluster.name))
        for number in range(cluster.workers):
            _add(cluster, pool, f"{cluster.name}-w{number}")
    logger.info("dask cluster wanted", cluster=cluster.name, workers=cluster.workers)
    return cluster


def _await(cluster: Cluster, check: Callable[[], None]) -> Place | None:
    """Wait until the scheduler listens; None when it does not in time."""
    seconds = cluster.pool.start_seconds
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        check()
        with contextlib.suppress(*AWAY):
            cluster.refresh_from_db()
            if cluster.address:
                return Place(cluster.address, cluster.credentials, left)
            if not _nodes(cluster).filter(name=_scheduler(cluster.name)).exists():
                break
        time.sleep(LOOK_SECONDS)
    logger.warning("dask cluster did not come", cluster=cluster.name, seconds=seconds)
    return None


def _replace_lost(cluster: Cluster) -> None:
    workers = _nodes(cluster).exclude(name=_scheduler(cluster.name)).filter(target=Target.RUNNING)
    had = Node.objects.filter(name__startswith=f"{cluster.name}-w").count()
    missing = min(cluster.workers - workers.count(), LOST_WORKERS * cluster.workers - had)
    if missing < 1:
        return
    others = list(Pool.objects.filter(role=Role.DASK))
    usable = {pool.name: pool for pool in _usable(others)}
    pool = usable.get(cluster.pool.name) or usable.get(cluster.pool.fallback or "")
    if pool is None:
        return
    for number in range(had, had + min(missing, pool.maximum - _present(pool))):
        _add(cluster, pool, f"{cluster.name}-w{number}")


def _add(cluster: Cluster, pool: Pool, name: str) -> None:
    node = Node.of_pool(pool, name, owner=cluster.owner, job=cluster.job)
    node.save(force_insert=True)
    events.of_node(node, "requested", f"for job {cluster.job}", ACTOR)


def _nodes(cluster: Cluster) -> "QuerySet[Node]":
    present = Node.objects.filter(job=cluster.job, state__in=PRESENT)
    return present.filter(name__startswith=f"{cluster.name}-").select_related("pool")


def _usable(pools: Iterable[Pool]) -> list[Pool]:
    """Return the pools that may start nodes: those whose circuit is closed."""
    return [pool for pool in pools if pool.circuit == Circuit.CLOSED]


def _cost(pool: Pool) -> tuple[float, str]:
    return (pool.price_per_hour, pool.name)


def _present(pool: Pool) -> int:
    return Node.objects.filter(pool=pool, state__in=PRESENT).count()


def _cluster_of(node: str) -> str:
    return node.rpartition("-")[0]


def _scheduler(cluster: str) -> str:
    return f"{cluster}-s"


def _credentials() -> dict[str, str]:
    """Return PEM texts made for one cluster; whoever has them is one of its parts."""
    # Only jobs that want a cluster wait for it to be loaded.
    from distributed import Security  # noqa: PLC0415

    made = Security.temporary()
    return {name: getattr(made, name) for name in CREDENTIALS}
