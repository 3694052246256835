"""What was promised, and whether it holds once the trial is over."""

import re
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from django.db.models import Max, Sum
from django.utils import timezone

from compute.soak.chaos import Blow
from compute.soak.load import Load
from compute.soak.mix import Data, Mix, Work, data
from compute_tasks.progress import OPENED
from compute_wps.documents import request_of
from compute_wps.models import ACTIVE, Job, Message, Output, State
from compute_wps.submission import texts

STARTED = "started"
RESUMED = re.compile(r"resumed: ([0-9]+) of ([0-9]+) parts were there")
SETTLE_SECONDS = 30.0


@dataclass(frozen=True)
class Recovery:
    """How long it took to go on after blows of one kind: how many, median and longest seconds."""

    kind: str
    blows: int
    seconds: tuple[float, ...]

    @property
    def shown(self) -> tuple[str, str]:
        """Median and longest, `-` where nothing was hit."""
        if not self.seconds:
            return "-", "-"
        return f"{median(self.seconds):.1f}", f"{max(self.seconds):.1f}"


def wait_for_all(seconds: float) -> None:
    """Wait until every job has ended, or so long."""
    deadline = time.monotonic() + seconds
    while Job.objects.filter(status__in=ACTIVE).exists() and time.monotonic() < deadline:
        time.sleep(0.5)


def problems(load: Load, mix: Mix, data_dir: Path) -> list[str]:
    """Return what does not hold, each with its job or file."""
    _settle(data_dir / "workspace")
    found = [f"refused: {text}" for text in load.refused]
    known = {str(job.pk): job for job in Job.objects.all()}
    found += [f"lost: {job_id}" for job_id in load.accepted if job_id not in known]
    found += [f"not ended: {job.pk} is {job.status}" for job in _unended(known.values())]
    now = timezone.now()
    for job in known.values():
        if job.lease_expires and job.lease_expires < now:
            found.append(f"lease older than its length: {job.pk}")
    return found + _results(known.values(), mix, data_dir) + _files(data_dir)


def recoveries(blows: Sequence[Blow]) -> list[Recovery]:
    """Return per kind how long parts were away, or until jobs of a killed worker ran again."""
    kinds = sorted(Counter(blow.kind for blow in blows).items())
    return [
        Recovery(
            kind, count, tuple(s for blow in blows if blow.kind == kind for s in _seconds(blow))
        )
        for kind, count in kinds
    ]


def counts() -> dict[str, int]:
    """Return how many jobs there were, how they ended, and how often one was started again."""
    total = Job.objects.aggregate(attempts=Sum("attempt"), most=Max("attempt"), lost=Sum("lost"))
    started = Job.objects.filter(attempt__gt=0).count()
    return {
        "jobs": Job.objects.count(),
        "succeeded": Job.objects.filter(status=State.SUCCEEDED).count(),
        "failed as asked": Job.objects.filter(status=State.FAILED).count(),
        "workers lost under a job": total["lost"] or 0,
        "restarts of jobs": (total["attempts"] or 0) - started,
        "attempts of one job, at most": total["most"] or 0,
        **_parts(),
    }


def _parts() -> dict[str, int]:
    """Return how many parts were found by attempts at jobs, and how many were computed again.

    The latter are those that the percents tell an earlier attempt had come to.
    """
    said = Message.objects.filter(message__regex=RESUMED.pattern)
    found = [
        (int(match[1]), int(match[2]), percent)
        for text, percent in said.values_list("message", "percent")
        if (match := RESUMED.search(text))
    ]
    reached = [total * max(0, percent - OPENED) // (99 - OPENED) for _, total, percent in found]
    return {
        "attempts that found parts": len(found),
        "resumed parts": sum(there for there, _, _ in found),
        "recomputed parts, about": sum(
            max(0, come - there) for come, (there, _, _) in zip(reached, found, strict=True)
        ),
    }


def _settle(workspace: Path) -> None:
    deadline = time.monotonic() + SETTLE_SECONDS
    while list(workspace.glob("*")) and time.monotonic() < deadline:
        time.sleep(0.5)


def _unended(jobs: Iterable[Job]) -> list[Job]:
    return [job for job in jobs if job.status in ACTIVE]


def _results(jobs: Iterable[Job], mix: Mix, data_dir: Path) -> list[str]:
    works = {(work.process, *sorted(work.inputs.items())): work for work in mix.works}
    expected: dict[str, Data] = {}
    found = []
    with tempfile.TemporaryDirectory(prefix="compute-soak-") as folder:
        for job in jobs:
            work = works[job.identifier, *sorted(texts(request_of(job)).items())]
            wanted = State.FAILED if work.fails else State.SUCCEEDED
            if job.status != wanted:
                found.append(f"{job.pk} ({work.name}) is {job.status}: {job.error_text}")
            elif not work.fails:
                if work.name not in expected:
                    expected[work.name] = mix.undisturbed(work, Path(folder))
                found += _difference(job, work, expected[work.name], data_dir)
    return found


def _difference(job: Job, work: Work, expected: Data, data_dir: Path) -> list[str]:
    outputs = list(job.outputs.all())
    if len(outputs) != 1:
        return [f"{job.pk} ({work.name}) has {len(outputs)} outputs"]
    path = data_dir / "outputs" / outputs[0].path
    if not path.exists():
        return [f"{job.pk} ({work.name}) has no file"]
    if data(path) != expected:
        return [f"{job.pk} ({work.name}) differs from the undisturbed result"]
    return []


def _files(data_dir: Path) -> list[str]:
    outputs = data_dir / "outputs"
    present = {str(path.relative_to(outputs)) for path in outputs.rglob("*") if path.is_file()}
    named = set(Output.objects.filter(kind=Output.Kind.FILE).values_list("path", flat=True))
    left = [str(path.name) for path in (data_dir / "workspace").glob("*")]
    return [
        *(f"file without a row: {path}" for path in sorted(present - named)),
        *(f"row without its file: {path}" for path in sorted(named - present)),
        *(f"workspace left: {name}" for name in left),
    ]


def _seconds(blow: Blow) -> list[float]:
    if blow.seconds is not None:
        return [blow.seconds]
    starts = Message.objects.filter(message=STARTED, created__gt=blow.when)
    firsts = (starts.filter(status__job=job_id).order_by("created").first() for job_id in blow.jobs)
    return [(first.created - blow.when).total_seconds() for first in firsts if first]
