"""The files of jobs: where they lie and how they go away."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from compute_wps.models import Job


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
    return [Path(shutil.move(file, target / file.name)) for file in files]


def remove(job: Job) -> None:
    """Remove everything the job has on disk; what is not there is no error."""
    shutil.rmtree(folder(job), ignore_errors=True)
    shutil.rmtree(settings.COMPUTE.workspace_dir / str(job.id), ignore_errors=True)
