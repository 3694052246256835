"""What goes wrong during the trial: processes killed with SIGKILL, connections cut."""

import contextlib
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import psutil
import psycopg2
from django.utils import timezone

from compute.soak.stack import Stack
from compute.testing.parts import Part
from compute_wps.models import Job, State
from compute_wps.patience import patiently
from compute_wps.tasks import worker_name

PAUSES = (3.0, 6.0)
"""Seconds between two blows, from and to."""


@dataclass(frozen=True)
class Blow:
    """Something that was done to the service and what it hit.

    `jobs` are the ids of those that ran there; `seconds` says how long a part did not answer.
    """

    kind: str
    when: datetime
    jobs: tuple[str, ...] = ()
    seconds: float | None = None


@dataclass
class Chaos:
    """Strikes at random until it is told to stop."""

    stack: Stack
    database: str
    random: random.Random
    blows: list[Blow] = field(default_factory=list)
    waiting: list[threading.Thread] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Strike every few seconds; workers are hit as often as all others together."""
        strikes: list[Callable[[], None]] = [
            *(self.worker,) * 4,
            *(self.job_process,) * 2,
            *(self.connections,) * 2,
            self.web,
            self.redis,
            self.redis_emptied,
        ]
        while not self.stopping.wait(self.random.uniform(*PAUSES)):
            self.random.choice(strikes)()
        for waiting in self.waiting:
            waiting.join()

    def worker(self) -> None:
        """Kill a worker; what it started has to end by itself."""
        victim = self.random.choice(self.stack.workers)
        jobs = _jobs_of(victim)
        when = timezone.now()
        victim.kill()
        self.blows.append(Blow("worker", when, jobs))

    def job_process(self) -> None:
        """Kill the process of a worker that runs the jobs, as a lack of memory would."""
        victim = self.random.choice(self.stack.workers)
        jobs = _jobs_of(victim)
        when = timezone.now()
        for process in victim.processes()[1:]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.blows.append(Blow("job process", when, jobs))

    def web(self) -> None:
        """Kill the web."""
        self._away("web", self.stack.parts["web"].kill, self.stack.web_answers)

    def redis(self) -> None:
        """Kill Redis; it comes back with its data."""
        self._away("redis", self.stack.parts["redis"].kill, self.stack.redis_answers)

    def redis_emptied(self) -> None:
        """Kill Redis; it comes back without its data."""

        def empty() -> None:
            self.stack.parts["redis"].kill()
            self.stack.forget_messages()

        self._away("redis emptied", empty, self.stack.redis_answers)

    def connections(self) -> None:
        """Cut every connection to the database."""
        when = timezone.now()
        with contextlib.closing(psycopg2.connect(self.database)) as open_, open_.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        self.blows.append(Blow("connections", when))

    def _away(self, kind: str, strike: Callable[[], None], back: Callable[[], bool]) -> None:
        """Strike, and note beside the next blows how long it took until the part was back."""
        when, since = timezone.now(), time.monotonic()
        strike()

        def wait() -> None:
            self.stack.wait_until(back)
            self.blows.append(Blow(kind, when, seconds=time.monotonic() - since))

        self.waiting.append(threading.Thread(target=wait, name=f"{kind} back", daemon=True))
        self.waiting[-1].start()


def _jobs_of(worker: Part) -> tuple[str, ...]:
    names = [worker_name(process.pid) for process in worker.processes()]
    running = Job.objects.filter(status=State.STARTED, worker__in=names)
    return tuple(map(str, patiently(lambda: list(running.values_list("pk", flat=True)))))
