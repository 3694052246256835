"""The files of jobs: where they lie and how they go away."""

import shutil
import uuid
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from compute_tasks.durable import sync
from compute_tasks.outputs.netcdf import writing
from compute_wps.models import ACTIVE, Job, State


def folder(job: Job) -> Path:
    """Return the folder of a job's results."""
    return settings.COMPUTE.outputs_dir / job.folder


def workspace(job: Job) -> Path:
    """Return the folder of what the attempts at a job leave each other: parts, downloads."""
    return settings.COMPUTE.workspace_dir / str(job.id)


def attempt(job: Job) -> Path:
    """Return the folder of the job's present attempt; nothing in it outlives the attempt."""
    return workspace(job) / "attempts" / str(job.attempt)


def begin(job: Job) -> None:
    """Make the folder of the present attempt; what earlier ones have left half done goes."""
    shutil.rmtree(workspace(job) / "attempts", ignore_errors=True)
    attempt(job).mkdir(parents=True)


def publish(job: Job, files: Iterable[Path]) -> list[Path]:
    """Move finished files to the job's results, to outlive a power cut; return their new places.

    Raises as `compute_tasks.outputs.netcdf.writing`.
    """
    target = folder(job)
    target.mkdir(parents=True, exist_ok=True)
    files = list(files)
    with writing(target):
        for file in files:
            sync(file)
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


def end_attempt(job: Job) -> None:
    """Remove the folder of the present attempt."""
    shutil.rmtree(attempt(job), ignore_errors=True)


def remove_workspace(job: Job) -> None:
    """Remove what the attempts at a job that has ended left each other."""
    shutil.rmtree(workspace(job), ignore_errors=True)


def remove(job: Job) -> None:
    """Remove everything the job has on disk; what is not there is no error."""
    shutil.rmtree(folder(job), ignore_errors=True)
    remove_workspace(job)


def remove_abandoned() -> None:
    """Remove the workspaces of jobs that neither wait nor run; killed workers leave them behind.

    Those of jobs that wait go, too, when nothing was added for as long as results are kept.
    """
    places = {found: path for path in _workspaces() if (found := _job_id(path.name))}
    active = dict(Job.objects.filter(pk__in=places, status__in=ACTIVE).values_list("pk", "status"))
    for job_id, path in places.items():
        if job_id not in active or (active[job_id] == State.ACCEPTED and _is_old(path)):
            shutil.rmtree(path, ignore_errors=True)


def _is_old(workspace: Path) -> bool:
    kept = timedelta(days=settings.COMPUTE.retention_days)
    changed = [path.stat().st_mtime for path in (workspace, *workspace.glob("*"))]
    return timezone.now().timestamp() - max(changed) > kept.total_seconds()


def _workspaces() -> list[Path]:
    folder = settings.COMPUTE.workspace_dir
    return list(folder.iterdir()) if folder.is_dir() else []


def _job_id(name: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(name)
    except ValueError:
        return None
