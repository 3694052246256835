"""The service under trial: its parts, killed by one hand and started again by another."""

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis
import requests

from compute.broker import HOST, PrivateRedis, free_port
from compute.testing.parts import Part, compute, redis_part

WORKERS = 3
LEASE_SECONDS = 10.0
GRACE_SECONDS = 6.0
CHECKPOINT_SECONDS = 0.2
RESTART_SECONDS = 1.0
"""How long a killed part stays away."""
READY_SECONDS = 120.0


@dataclass
class Stack:
    """Web, workers and Redis on a database; `url` is the web's address."""

    url: str
    data_dir: Path
    redis_dir: Path
    broker: PrivateRedis
    parts: dict[str, Part]
    _down: dict[str, float] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)

    @property
    def workers(self) -> list[Part]:
        """The workers, dead or alive."""
        return [part for name, part in self.parts.items() if name.startswith("worker")]

    def watch(self) -> None:
        """Start again whatever has ended, until the stack ends."""
        while not self._ending.wait(0.2):
            for name, part in self.parts.items():
                if part.runs:
                    self._down.pop(name, None)
                elif time.monotonic() - self._down.setdefault(name, time.monotonic()) > (
                    RESTART_SECONDS
                ):
                    part.start()

    def forget_messages(self) -> None:
        """Remove what Redis has on disk; it must not run."""
        for path in self.redis_dir.iterdir():
            path.unlink()

    def web_answers(self) -> bool:
        """Tell whether the web answers."""
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/health", timeout=2).ok
        return False

    def redis_answers(self) -> bool:
        """Tell whether Redis answers."""
        try:
            with redis.Redis.from_url(self.broker.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for the condition; raises TimeoutError when it does not come."""
        deadline = time.monotonic() + READY_SECONDS
        while not condition():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the service is not there after {READY_SECONDS:g} s")
            time.sleep(0.1)

    def end(self) -> None:
        """End every part."""
        self._ending.set()
        for part in self.parts.values():
            part.end()


def settings(folder: Path, database: str, broker: PrivateRedis) -> dict[str, str]:
    """Return the environment of every part."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("COMPUTE_")}
    counters = folder / "counters"
    counters.mkdir(parents=True)
    return own | {
        "COMPUTE_DATA_DIR": str(folder / "data"),
        "COMPUTE_DATABASE_URL": database,
        "COMPUTE_REDIS_URL": broker.url,
        "COMPUTE_METRICS_PORT": "0",
        "COMPUTE_LEASE_SECONDS": str(LEASE_SECONDS),
        "COMPUTE_GRACE_SECONDS": str(GRACE_SECONDS),
        "COMPUTE_CHECKPOINT_SECONDS": str(CHECKPOINT_SECONDS),
        # So many workers are killed here that a job may well lose three of them.
        "COMPUTE_MAX_ATTEMPTS": "1000",
        "COMPUTE_TRUSTED_PROXY": "true",
        "COMPUTE_REUSE": "false",
        "COMPUTE_WORKER_THREADS": "2",
        "PROMETHEUS_MULTIPROC_DIR": str(counters),
    }


@contextlib.contextmanager
def stack(folder: Path, environment: Mapping[str, str], broker: PrivateRedis) -> Iterator[Stack]:
    """Run the service until the block ends."""
    logs, redis_dir, port = folder / "logs", folder / "redis", free_port()
    for place in (logs, redis_dir):
        place.mkdir(parents=True)
    web = ("web", "--host", HOST, "--port", str(port))
    parts = {
        "redis": redis_part(broker, redis_dir, logs / "redis.log"),
        "web": compute("web", environment, logs / "web.log", *web),
    }
    for number in range(1, WORKERS + 1):
        name = f"worker-{number}"
        parts[name] = compute(name, environment, logs / f"{name}.log", "worker")
    running = Stack(f"http://{HOST}:{port}", folder / "data", redis_dir, broker, parts)
    try:
        _migrate(environment, logs)
        for part in parts.values():
            part.start()
        threading.Thread(target=running.watch, name="watch", daemon=True).start()
        running.wait_until(running.web_answers)
        yield running
    finally:
        running.end()
        shutil.rmtree(folder / "counters", ignore_errors=True)


def _migrate(environment: Mapping[str, str], logs: Path) -> None:
    migrate = compute("migrate", environment, logs / "migrate.log", "migrate")
    migrate.start()
    if migrate.process and migrate.process.wait(READY_SECONDS):
        raise RuntimeError(f"the database was not made ready; see {logs / 'migrate.log'}")
    migrate.end()
