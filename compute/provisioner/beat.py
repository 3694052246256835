"""What a worker does because it is a node: it gives signs of life, and leaves when it is to.

The node's name is the setting COMPUTE_NODE. A thread of the worker's main process writes the
heartbeat and looks at the record. When that says that the node drains, the worker consumes no more
messages, finishes what it runs, and ends.
"""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import structlog
from celery import signals
from celery.worker import state
from celery.worker.consumer import Consumer
from django.conf import settings
from django.db import Error, close_old_connections, connection

from compute.provisioner import signs
from compute_wps.models import Job

LOOK_SECONDS = 1.0
"""How often the record is looked at, so that a drain begins soon."""

logger = structlog.get_logger(__name__)


class Beat:
    """The heartbeat of the node that this worker is."""

    def __init__(self, name: str, consumer: Consumer) -> None:
        self._name, self._consumer = name, consumer
        self._told = threading.Event()
        self._draining = self._ended = False
        self._due = 0.0

    def start(self) -> None:
        """Beat from a thread of its own until the process ends."""
        threading.Thread(target=self._keep, name="beat", daemon=True).start()

    def told_to_end(self) -> None:
        """Note that the worker was told to end; safe in a signal handler of the main thread."""
        self._told.set()

    def _keep(self) -> None:
        while not self._ended:
            try:
                close_old_connections()
                if self._told.is_set():
                    signs.interrupted(self._name)
                self._look()
            except Error as error:
                logger.warning("no sign of life given", reason=str(error))
                connection.close()
            except Exception:
                # Without this thread the node would be taken for lost.
                logger.exception("the heartbeat failed")
            time.sleep(LOOK_SECONDS) if self._told.is_set() else self._told.wait(LOOK_SECONDS)

    def _look(self) -> None:
        standing = signs.standing(self._name)
        if standing is None:
            # Others do the work of a node whose record has ended.
            self._end("its record has ended")
            return
        if time.monotonic() >= self._due:
            signs.beat(self._name)
            self._due = time.monotonic() + standing.heartbeat_seconds
        if standing.draining and not self._told.is_set():
            self._drain()

    def _drain(self) -> None:
        if self._draining:
            if not state.reserved_requests:
                self._end("it is drained")
            return
        logger.info("node drains", node=self._name)
        self._draining = True
        for queue in list(self._consumer.app.amqp.queues.consume_from):
            self._consumer.call_soon(self._consumer.cancel_task_queue, queue)

    def _end(self, why: str) -> None:
        logger.info("node ends", node=self._name, reason=why)
        self._ended = True
        if not self._told.is_set():
            os.kill(os.getpid(), signal.SIGTERM)


@contextlib.contextmanager
def working(job: Job) -> Iterator[None]:
    """Note which job this node works on, for as long as the context lasts."""
    name = settings.COMPUTE.node
    row = _quietly(signs.begin, name, job) if name else None
    try:
        yield
    finally:
        if row is not None:
            _quietly(signs.finish, row)


def _quietly(action: Any, *arguments: Any) -> Any:
    """Try the action: the job matters more than the account that is kept of it."""
    try:
        return action(*arguments)
    except Error as error:
        logger.warning("work of the node not noted", reason=str(error))
        return None


_beats: list[Beat] = []


@signals.worker_ready.connect
def _begin(sender: Consumer, **_: Any) -> None:
    # A consumer that found its broker again says once more that it is ready.
    if settings.COMPUTE.node and not _beats:
        _beats.append(Beat(settings.COMPUTE.node, sender))
        _beats[0].start()


@signals.worker_shutting_down.connect
def _told(**_: Any) -> None:
    for beat in _beats:
        beat.told_to_end()


@signals.worker_shutdown.connect
def _end(**_: Any) -> None:
    """Say so even when the worker was idle and ends before its thread looks again."""
    if settings.COMPUTE.node:
        _quietly(signs.interrupted, settings.COMPUTE.node)
