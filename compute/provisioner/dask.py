"""What a dask node runs: the scheduler of a cluster or one of its workers.

Each process has TLS credentials of the cluster, without which nobody can talk to it.
"""

import asyncio
import contextlib
import math
import os
import signal
from collections.abc import AsyncIterator, Coroutine, Mapping
from typing import Any

import dask.config
import structlog
from distributed import Scheduler, Security, Worker
from distributed.utils import get_ip

from compute.provisioner import clusters
from compute.provisioner.models import Backend, Cluster, Node

LOOK_SECONDS = 0.5
LEAST_IDLE_SECONDS = 120.0
"""A scheduler waits this long for work at least: its job may still be on the way to it."""

ALLOWED_FAILURES = 20
"""How many workers may be lost under one task; spot machines are taken away more than once."""

SETTINGS = {
    "distributed.scheduler.allowed-failures": ALLOWED_FAILURES,
    "distributed.admin.system-monitor.gil.enabled": False,
}

logger = structlog.get_logger(__name__)


class NoClusterError(Exception):
    """The node belongs to no cluster that somebody wants."""


def run(name: str) -> None:
    """Run the part of its cluster that the node of this name is, until it is told to end."""
    cluster = clusters.of_node(name)
    node = Node.objects.select_related("pool").filter(name=name).first()
    if cluster is None or node is None or node.pool is None:
        raise NoClusterError(f"node {name} belongs to no cluster; its job has ended")
    part = _scheduler if clusters.is_scheduler(name) else _worker
    with dask.config.set(SETTINGS):
        asyncio.run(part(node, cluster))


async def _scheduler(node: Node, cluster: Cluster) -> None:
    async with Scheduler(
        host=_host(node),
        port=0,
        protocol="tls",
        security=_security(cluster.credentials),
        dashboard=False,
        idle_timeout=max(cluster.pool.idle_seconds, LEAST_IDLE_SECONDS),
    ) as scheduler:
        if not await asyncio.to_thread(clusters.published, node.name, scheduler.address):
            raise NoClusterError(f"cluster {cluster.name} is not wanted any more")
        logger.info("dask scheduler listens", cluster=cluster.name, address=scheduler.address)
        async with _ended_by_signals() as told:
            await _first(scheduler.finished(), told.wait())


async def _worker(node: Node, cluster: Cluster) -> None:
    address = await _address(cluster)
    threads = max(1, math.floor(node.cpu)) if node.cpu else len(os.sched_getaffinity(0))
    async with Worker(
        address,
        host=_host(node),
        name=node.name,
        nthreads=threads,
        memory_limit=node.memory or "auto",
        security=_security(cluster.credentials),
        dashboard=False,
        death_timeout=cluster.pool.start_seconds,
    ) as worker:
        logger.info("dask worker computes", cluster=cluster.name, scheduler=address)
        async with _ended_by_signals() as told:
            await _first(worker.finished(), told.wait())
            if told.is_set():
                # What it has computed goes to the other workers.
                await worker.close_gracefully()


async def _address(cluster: Cluster) -> str:
    """Wait until the scheduler listens; raises NoClusterError when it is not wanted any more."""
    while not cluster.address:
        await asyncio.sleep(LOOK_SECONDS)
        try:
            await cluster.arefresh_from_db(fields=["address"])
        except Cluster.DoesNotExist:
            raise NoClusterError(f"cluster {cluster.name} is not wanted any more") from None
    return cluster.address


@contextlib.asynccontextmanager
async def _ended_by_signals() -> AsyncIterator[asyncio.Event]:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    yield told


async def _first(*waits: Coroutine[Any, Any, object]) -> None:
    """Wait until one of them is over."""
    tasks = [asyncio.ensure_future(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _host(node: Node) -> str:
    """Return the address to listen on: that of the pod, or one only this machine reaches."""
    local = node.pool is None or node.pool.backend == Backend.LOCAL
    return "127.0.0.1" if local else get_ip()


def _security(credentials: Mapping[str, str]) -> Security:
    """Return the one certificate for every part; its key proves membership of the cluster."""
    certificate, key = credentials["tls_client_cert"], credentials["tls_client_key"]
    return Security(
        require_encryption=True,
        tls_ca_file=credentials["tls_ca_file"],
        tls_client_cert=certificate,
        tls_client_key=key,
        tls_scheduler_cert=certificate,
        tls_scheduler_key=key,
        tls_worker_cert=certificate,
        tls_worker_key=key,
    )
