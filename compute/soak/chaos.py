"""What goes wrong during the trial: processes killed with SIGKILL, connections cut."""

import contextlib
import random
import signal
import threading
import time
from collections.abc import Callable, Sequence
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
PART_SECONDS = 3.0
"""How long a part is waited for that is being written."""


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
            *(self.part_write,) * 2,
            self.worker_told_to_end,
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
        if victim := self._busy():
            when, jobs = timezone.now(), tuple(_processes([victim]))
            victim.kill()
            self.blows.append(Blow("worker", when, jobs))

    def job_process(self) -> None:
        """Kill the process of a worker that runs the jobs, as a lack of memory would."""
        if victim := self._busy():
            when, jobs = timezone.now(), tuple(_processes([victim]))
            for process in victim.processes()[1:]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self.blows.append(Blow("job process", when, jobs))

    def _busy(self) -> Part | None:
        """Return a worker that runs a job, if one does; others may not even be up again."""
        busy = [worker for worker in self.stack.workers if _processes([worker])]
        return self.random.choice(busy) if busy else None

    def part_write(self) -> None:
        """Kill the process of a job while it writes a part; nothing if none is written soon."""
        deadline = time.monotonic() + PART_SECONDS
        while time.monotonic() < deadline:
            found = self._writing(_processes(self.stack.workers))
            if found:
                job_id, process = found
                when = timezone.now()
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
                self.blows.append(Blow("part write", when, (job_id,)))
                return

    def _writing(self, processes: dict[str, psutil.Process]) -> tuple[str, psutil.Process] | None:
        """Return a job that writes a part, and its process, if there is one within a moment."""
        for _ in range(200):
            for unfinished in self.stack.data_dir.glob("workspace/*/parts/.*"):
                if (job_id := unfinished.parts[-3]) in processes:
                    return job_id, processes[job_id]
            time.sleep(0.001)
        return None

    def worker_told_to_end(self) -> None:
        """Tell a worker to end; its job is to go on elsewhere."""
        if victim := self._busy():
            when, jobs = timezone.now(), tuple(_processes([victim]))
            victim.signal(signal.SIGTERM)
            self.blows.append(Blow("worker told to end", when, jobs))

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


def _processes(workers: Sequence[Part]) -> dict[str, psutil.Process]:
    """Return the processes that run jobs, by the id of the job."""
    named = {worker_name(p.pid): p for worker in workers for p in worker.processes()}
    running = Job.objects.filter(status=State.STARTED, worker__in=named)
    rows = patiently(lambda: list(running.values_list("pk", "worker")))
    return {str(job_id): named[name] for job_id, name in rows}
