"""Answering a request with the result of an identical one.

Two jobs are identical when their workflows, the states of the files they read, the processes, the
form of the output and the version of the service are. A finished one gives its files to the next,
as further names of the same files: removing one job leaves the other's. While one runs, an
identical one waits for it. Both only among the jobs of one owner.
"""

import json
import os
from collections.abc import Callable, Iterable
from functools import cache
from hashlib import sha256
from importlib.metadata import version

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from compute_tasks import document
from compute_tasks.model import Workflow
from compute_tasks.registry import catalog
from compute_tasks.sources.identity import identities, local_identities
from compute_tasks.sources.policy import SourcePolicy
from compute_wps import fairness, jobs, results
from compute_wps.models import Job, Output, State

WAITS = "waiting for the result of an identical job that runs"

Identify = Callable[[Iterable[str], SourcePolicy], dict[str, str] | None]


class TwinRunsError(Exception):
    """An identical job of the same owner runs; this one is to wait for it."""


def quick_identity(workflow: Workflow) -> str:
    """Return what `identity` does if only local files are read, else an empty text."""
    return _identity(workflow, local_identities) if settings.COMPUTE.reuse else ""


def identity(workflow: Workflow) -> str:
    """Return a text that identical requests share; empty when the state of a source is unknown."""
    return _identity(workflow, _local_or_all)


def answer(job: Job) -> bool:
    """End a job that nobody has claimed yet with the result of an identical one, if there is any.

    Tells whether the job may have changed. Whoever calls this acts as a worker for a moment: should
    it die meanwhile, the job is run.
    """
    if not _finished(job):
        return False
    if (held := jobs.claim(job.id, f"web-{os.getpid()}")) is None:
        return True
    key = (held.id, held.worker, held.attempt)
    if outputs := shared(held):
        jobs.succeed(*key, outputs)
    else:
        jobs.release(*key)
    return True


def found(job: Job, identity: str) -> list[Output]:
    """Return the outputs of a claimed job if an identical one has left them, else none.

    Raises TwinRunsError while an identical one runs.
    """
    if not settings.COMPUTE.reuse:
        return []
    same, job.identity = job.identity == identity, identity
    wanted = job.reuse and identity
    if same and not wanted:
        return []
    with transaction.atomic():
        fairness.lock()
        Job.objects.filter(pk=job.pk).update(identity=identity)
        runs = wanted and _twins(job).filter(status=State.STARTED).exists()
    if runs:
        raise TwinRunsError
    return shared(job) if wanted else []


def shared(job: Job) -> list[Output]:
    """Give the files of a finished identical job to this one and return them as its outputs."""
    source = _finished(job)
    if source is None:
        return []
    outputs = list(source.outputs.all())
    try:
        places = results.link(job, [output.path for output in outputs])
    except OSError:
        # Its files went meanwhile, or lie where links cannot be made.
        results.remove(job)
        return []
    for output, path in zip(outputs, places, strict=True):
        output.pk, output.job, output.path = None, job, path
    Job.objects.filter(pk=job.pk).update(linked=True)
    return outputs


def _finished(job: Job) -> Job | None:
    if not (job.identity and settings.COMPUTE.reuse and job.reuse):
        return None
    kept = _twins(job).filter(status=State.SUCCEEDED, expires__gt=timezone.now())
    return kept.filter(purged__isnull=True).order_by("-finished").first()


def _twins(job: Job) -> QuerySet[Job]:
    return Job.objects.filter(owner=job.owner, identity=job.identity).exclude(pk=job.pk)


def _identity(workflow: Workflow, identify: Identify) -> str:
    config = settings.COMPUTE
    if (sources := identify(_addresses(workflow), config.sources)) is None:
        return ""
    texts = document.dump(workflow)
    used = sorted({o.process for o in workflow.operations.values() if o.process in catalog})
    values = {
        "identifier": workflow.identifier,
        **{name: json.loads(text) for name, text in texts.items()},
        "sources": sources,
        "processes": {name: catalog[name].version for name in used},
        "service": _version(),
        "output": [config.output_format, config.output_split_bytes],
    }
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _local_or_all(uris: Iterable[str], policy: SourcePolicy) -> dict[str, str] | None:
    """Return the identities of local files at once; only remote ones are worth threads."""
    return local_identities(uris, policy) or identities(uris, policy)


def _addresses(workflow: Workflow) -> set[str]:
    read = {variable.uri.strip() for variable in workflow.variables.values()}
    return read | {domain.mask.uri.strip() for domain in workflow.domains.values() if domain.mask}


@cache
def _version() -> str:
    return version("esgf-compute")
