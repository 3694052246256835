"""A service whose web, provisioner and broker are processes that tests may kill one by one."""

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil
import requests

from compute.broker import HOST, PrivateRedis, free_port
from compute.testing import client
from compute.testing.parts import Part, compute, redis_part
from compute.tests.waiting import eventually
from compute_tasks.tests.data import tas_files

READY_SECONDS = 120.0
ENDED = ("ProcessSucceeded", "ProcessFailed")


class Plant:
    """The parts, and what an operator and a client do with them."""

    def __init__(self, folder: Path, environment: Mapping[str, str], token: str) -> None:
        port, self.folder = free_port(), folder
        self.url, self.data_dir = f"http://{HOST}:{port}", folder / "data"
        self.environment = environment
        self.log = folder / "log"
        self.web = self._part("web", "--host", HOST, "--port", str(port))
        self.provisioner = self._part("provisioner")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"

    def _part(self, *arguments: str) -> Part:
        return compute(arguments[0], self.environment, self.log, *arguments)

    def answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.url}/health", timeout=2).ok
        return False

    def count(self, text: str) -> int:
        """Return how often a text is in the log of the parts."""
        return self.log.read_text().count(text)

    def pool(self, name: str, **fields: Any) -> None:
        """Create a pool, quick to decide in all it does unless told otherwise."""
        quick = {
            "idle_seconds": 1,
            "cooldown_seconds": 0,
            "heartbeat_seconds": 5,
            "start_seconds": 60,
            "grace_seconds": 10,
            "memory": 0,
            "cpu": 0,
        }
        answer = self._session.post(f"{self.url}/api/pools", json={**quick, "name": name, **fields})
        assert answer.ok, answer.text

    def remove_pool(self, name: str) -> None:
        """End the nodes of a pool and remove it."""
        url = f"{self.url}/api/pools/{name}"
        assert self._session.post(f"{url}/drain", json={"seconds": 0}).ok
        eventually(lambda: not [n for n in self.present() if n["pool"] == name], 60)
        answer = self._session.delete(
            url, headers={"If-Match": self._session.get(url).headers["ETag"]}
        )
        assert answer.ok, answer.text

    def get(self, path: str) -> Any:
        answer = self._session.get(f"{self.url}/api/{path}", timeout=20)
        assert answer.ok, answer.text
        return answer.json()

    def nodes(self, **having: Any) -> list[dict[str, Any]]:
        """Return the nodes with these values, those that have ended included."""
        found = self.get("compute-nodes?limit=500&ended=true")["items"]
        return [node for node in found if all(node[k] == v for k, v in having.items())]

    def present(self) -> list[dict[str, Any]]:
        """Return the nodes that are there."""
        return [node for node in self.nodes() if not node["ended"]]

    def processes(self, node: str = "") -> list[psutil.Process]:
        """Return the processes of a node of this machine, or of all."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = process.environ()
                name = environment.get("COMPUTE_NODE", "")
                if environment.get("COMPUTE_DATA_DIR") == str(self.data_dir) and name:
                    found += [process] if not node or name == node else []
        return found

    def kill(self, node: str = "") -> None:
        """Kill the processes of a node of this machine, or of all."""
        for process in self.processes(node):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    def events(self, reason: str) -> list[dict[str, Any]]:
        return [e for e in self.get("events?limit=500")["items"] if e["reason"] == reason]

    def mean(self, path: Path, **more: Any) -> str:
        """Send a job and return its id."""
        inputs = client.texts(str(path), "tas", "CDAT.mean", axes="lat|lon", **more)
        return client.accept(self.url, "CDAT.mean", inputs)

    def state(self, job: str) -> str:
        return str(client.job(self.url, job)["status"])

    def all_succeed(self, jobs: Sequence[str], seconds: float) -> None:
        for job in jobs:
            # Each look costs the service some of the time it computes in.
            eventually(lambda job=job: self.state(job) in ENDED, seconds, pause=0.2)  # type: ignore[misc]
        states = {self.state(job) for job in jobs}
        assert states == {"ProcessSucceeded"}, self.log.read_text()[-5000:]


def archive_file(plant: Plant) -> Path:
    """Return a small file the service may read."""
    (path,) = tas_files(plant.data_dir / "archive", [(2000, 2001)])
    return path


@contextlib.contextmanager
def plant(
    folder: Path,
    settings: Mapping[str, str],
    *,
    share: Callable[[Mapping[str, str]], Mapping[str, str]] = lambda environment: {},
) -> Iterator[Plant]:
    """Run the parts until the block ends.

    `share` is given the settings and returns more of them: here a cluster gets its ConfigMap.
    """
    token = secrets.token_hex(16)
    own = {name: value for name, value in os.environ.items() if not name.startswith("COMPUTE_")}
    broker, redis_dir = PrivateRedis(), folder / "redis"
    redis_dir.mkdir(parents=True)
    common = {
        # Not embedded, so that there are the pools of the test and no others.
        "COMPUTE_EMBEDDED": "false",
        "COMPUTE_SECRET_KEY": secrets.token_hex(32),
        "COMPUTE_ALLOWED_HOSTS": "*",
        "COMPUTE_DATABASE_URL": f"sqlite:///{folder / 'data' / 'compute.sqlite3'}",
        "COMPUTE_DATA_DIR": str(folder / "data"),
        "COMPUTE_REDIS_URL": broker.url,
        "COMPUTE_METRICS_PORT": "0",
        "COMPUTE_PROVISIONER_SECONDS": "0.3",
        "COMPUTE_LEASE_SECONDS": "6",
        "COMPUTE_REUSE": "false",
        "COMPUTE_RUNNING_JOBS": "100",
        "COMPUTE_WEB_PROCESSES": "1",
        "COMPUTE_ALLOWED_DATA_HOSTS": "*",
        "COMPUTE_OPERATOR_TOKEN": token,
        **settings,
    }
    made = Plant(folder, own | common | share(common), token)
    redis = redis_part(broker, redis_dir, folder / "redis.log")
    migrate = compute("migrate", made.environment, made.log, "migrate")
    with contextlib.ExitStack() as stack:
        # Nodes outlive their provisioner.
        stack.callback(made.kill)
        for part in (redis, migrate):
            part.start()
            stack.callback(part.end)
        assert migrate.process is not None
        assert migrate.process.wait(READY_SECONDS) == 0, made.log.read_text()
        for part in (made.web, made.provisioner):
            part.start()
            stack.callback(part.end)
        eventually(made.answers, READY_SECONDS)
        yield made
