"""Clients that send work, several at a time, and try again when nobody answers."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import requests

from compute.soak.mix import Work
from compute.testing import client

CLIENTS = 5
OUTSTANDING = 8
"""Jobs one client has waiting or running, at most."""
PAUSE_SECONDS = 0.3


@dataclass
class Load:
    """The accepted jobs by id, and when to stop."""

    url: str
    take: Callable[[], Work]
    wanted: int
    accepted: dict[str, Work] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, seconds: float) -> None:
        """Send work for so many seconds, or until as many jobs as wanted are accepted."""
        names = [f"198.51.100.{number}" for number in range(1, CLIENTS + 1)]
        threads = [threading.Thread(target=self._client, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and len(self.accepted) < self.wanted:
            time.sleep(0.2)
        self.stopping.set()
        for thread in threads:
            thread.join()

    def _client(self, address: str) -> None:
        """Send one job after the other, with at most so many that have not ended."""
        mine: list[str] = []
        while not self.stopping.wait(PAUSE_SECONDS):
            mine = [job_id for job_id in mine if not self._ended(job_id)]
            if len(mine) < OUTSTANDING and (job_id := self._send(address)):
                mine.append(job_id)

    def _send(self, address: str) -> str | None:
        with self._lock:
            work = self.take()
        try:
            headers = {"X-Forwarded-For": address}
            job_id = client.accept(self.url, work.process, work.inputs, headers)
        except requests.HTTPError as error:
            if error.response.status_code < 500:
                self.refused.append(f"{work.name}: {error.response.text}")
            return None
        except requests.RequestException:
            # The web was killed; whether it took the job, the database will tell.
            return None
        self.accepted[job_id] = work
        return job_id

    def _ended(self, job_id: str) -> bool:
        try:
            return client.job(self.url, job_id)["status"] in ("ProcessSucceeded", "ProcessFailed")
        except requests.RequestException:
            return False
