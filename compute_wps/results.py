"""The files of jobs: where they lie and how they go away."""

import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from compute_tasks.outputs.durable import sync
from compute_wps.models import ACTIVE, Job


def folder(job: Job) -> Path:
    """Return the folder of a job's results."""
    return settings.COMPUTE.outputs_dir / job.folder


def workspace(job: Job) -> Path:
    """Return the folder of the job's present attempt; nothing in it outlives the attempt."""
    return settings.COMPUTE.workspace_dir / str(job.id) / str(job.attempt)


def publish(job: Job, files: Iterable[Path]) -> list[Path]:
    """Move finished files to the job's results and return their new places."""
    target = folder(job)
    target.mkdir(parents=True, exist_ok=True)
    places = [Path(shutil.move(file, target / file.name)) for file in files]
    for changed in (target, target.parent):
        sync(changed)
    return places


def link(job: Job, paths: Iterable[str]) -> list[str]:
    """Give results of another job to this one under further names; return these, as paths are kept.

    Raises OSError when one is not there or cannot be linked.
    """
    target = folder(job)
    target.mkdir(parents=True, exist_ok=True)
    names = []
    for path in map(Path, paths):
        (target / path.name).unlink(missing_ok=True)
        (target / path.name).hardlink_to(settings.COMPUTE.outputs_dir / path)
        names.append(f"{job.folder}/{path.name}")
    for changed in (target, target.parent):
        sync(changed)
    return names


def remove(job: Job) -> None:
    """Remove everything the job has on disk; what is not there is no error."""
    shutil.rmtree(folder(job), ignore_errors=True)
    shutil.rmtree(settings.COMPUTE.workspace_dir / str(job.id), ignore_errors=True)


def remove_abandoned() -> None:
    """Remove the workspaces of jobs that neither wait nor run; killed workers leave them behind."""
    places = {found: path for path in _workspaces() if (found := _job_id(path.name))}
    active = Job.objects.filter(pk__in=places, status__in=ACTIVE).values_list("pk", flat=True)
    for job_id in places.keys() - set(active):
        shutil.rmtree(places[job_id], ignore_errors=True)


def _workspaces() -> list[Path]:
    folder = settings.COMPUTE.workspace_dir
    return list(folder.iterdir()) if folder.is_dir() else []


def _job_id(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None
