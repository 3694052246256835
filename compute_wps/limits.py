"""How much one caller may ask of the service; a refusal says what was asked and how to ask less."""

import resource
import shutil
from datetime import timedelta

from django.conf import settings
from django.db.models import Sum

from compute_tasks.errors import NoSpace, TooLarge
from compute_tasks.estimate import Estimate
from compute_wps.census import Standing
from compute_wps.models import Job, Output, State
from compute_wps.protocol.exceptions import ProtocolError

SMALLER = "choose a smaller region, a shorter period or fewer files"
FREE_SOME = "remove results you no longer need (DELETE of a job), or wait until they expire"


def check_new(standing: Standing) -> None:
    """Refuse a new job of an account whose jobs fill the queue or whose results the storage.

    Raises ProtocolError: ServerBusy or NotEnoughStorage.
    """
    config = settings.COMPUTE
    if standing.waiting >= config.queued_jobs:
        raise ProtocolError(
            "ServerBusy",
            f"you have {standing.waiting} jobs waiting, and {config.queued_jobs} may wait at a "
            "time (COMPUTE_QUEUED_JOBS); try again when one has started, or DELETE one",
        )
    if standing.stored >= config.storage_bytes:
        raise ProtocolError(
            "NotEnoughStorage",
            f"your results take {shown(standing.stored)}, and {shown(config.storage_bytes)} are "
            f"kept for each user (COMPUTE_STORAGE_BYTES); {FREE_SOME}",
        )
    free = free_bytes()
    if free < config.least_free_bytes:
        raise ProtocolError("NotEnoughStorage", f"{_little_room(free)}; try again later")


def check_estimate(job: Job, estimate: Estimate) -> None:
    """Refuse what would read, write or keep too much. Raises TooLarge or NoSpace."""
    config = settings.COMPUTE
    read, written = estimate.input_bytes, estimate.output_bytes
    if read > config.input_bytes:
        raise TooLarge(
            f"the request reads {shown(read)}, and a job may read {shown(config.input_bytes)} "
            f"(COMPUTE_INPUT_BYTES); {SMALLER}",
            locator="domain",
        )
    if written > config.output_bytes:
        raise TooLarge(
            f"the results would have {shown(written)} before compression, and a job may write "
            f"{shown(config.output_bytes)} (COMPUTE_OUTPUT_BYTES); {SMALLER}",
            locator="domain",
        )
    used = stored(job.account)
    if used + written > config.storage_bytes:
        raise NoSpace(
            f"the results would have {shown(written)} before compression beside the {shown(used)} "
            f"of your earlier ones, and {shown(config.storage_bytes)} are kept for each user "
            f"(COMPUTE_STORAGE_BYTES); {FREE_SOME}, or {SMALLER}"
        )
    if (free := free_bytes()) - written < config.least_free_bytes:
        raise NoSpace(
            f"the results would have {shown(written)} before compression; {_little_room(free)}; "
            f"{SMALLER}, or try again later"
        )


def too_long() -> str:
    """Return what the owner of a job is told that ran longer than it may."""
    allowed = timedelta(seconds=settings.COMPUTE.job_seconds)
    return (
        f"The job was stopped: it ran longer than the {allowed} (hours:minutes:seconds) a job may "
        f"run (COMPUTE_JOB_SECONDS). Waiting did not count; {SMALLER}."
    )


def bound_memory() -> None:
    """Bound what this process may allocate, so that a job that needs more fails alone."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (settings.COMPUTE.process_memory_bytes, hard))


def too_much_memory() -> TooLarge:
    """Return what the owner of a job is told that needed more memory than its process may have."""
    allowed = shown(settings.COMPUTE.process_memory_bytes)
    return TooLarge(
        f"The job was stopped: it needed more memory than the {allowed} the process of a job may "
        f"have (COMPUTE_PROCESS_MEMORY_BYTES); {SMALLER}.",
        locator="domain",
    )


def stored(account: str) -> int:
    """Return the bytes of an account's results."""
    kept = Output.objects.filter(job__account=account, job__status=State.SUCCEEDED)
    return kept.aggregate(total=Sum("size"))["total"] or 0


def free_bytes() -> int:
    """Return the bytes free on the disk of the results."""
    return shutil.disk_usage(settings.COMPUTE.data_dir).free


def shown(count: float) -> str:
    """Return a number of bytes as people read it: `1.5 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.4g} TB"


def _little_room(free: int) -> str:
    least = shown(settings.COMPUTE.least_free_bytes)
    return (
        f"the disk for results has {shown(free)} free, and {least} of it are kept free "
        "(COMPUTE_LEAST_FREE_BYTES)"
    )
