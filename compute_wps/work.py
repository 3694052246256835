"""Running one claimed job to its end on a worker."""

import contextlib
import traceback
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import structlog
from django.conf import settings

from compute_tasks import document, plan
from compute_tasks.errors import Cancelled, SourceError
from compute_tasks.estimate import Estimate
from compute_tasks.outputs.files import Output as Written
from compute_tasks.parts import Parts, Stopped
from compute_tasks.run import run
from compute_wps import catalog, drain, jobs, limits, metrics, results, reuse
from compute_wps.cluster import cluster_for
from compute_wps.documents import request_of
from compute_wps.foreign import FileValue, ForeignOutput, run_foreign
from compute_wps.lease import Lease
from compute_wps.models import Job, Output
from compute_wps.patience import AWAY, patiently
from compute_wps.protocol import exceptions
from compute_wps.protocol.execution import ComplexValue, LiteralValue, ReferenceValue
from compute_wps.protocol.requests import Execute
from compute_wps.submission import texts

NETCDF = "application/netcdf"

logger = structlog.get_logger(__name__)


def work(job: Job) -> None:
    """Run the job and close it, whatever happens; a job lost meanwhile is left alone."""
    lease = Lease(job)
    try:
        with lease.kept():
            _run(job, lease)
    except Cancelled:
        logger.info("job stopped")
    except Stopped:
        patiently(lambda: jobs.release(*lease.key))
    except reuse.TwinRunsError:
        patiently(lambda: jobs.release(*lease.key, reuse.WAITS))
    except AWAY as error:
        # Nothing is wrong with the job: its lease runs out, and another worker takes it up.
        logger.warning("job left: the database stays away", reason=str(error))
    except (SystemExit, KeyboardInterrupt):
        with contextlib.suppress(*AWAY):
            jobs.release(*lease.key)
        raise
    finally:
        results.end_attempt(job)


def _run(job: Job, lease: Lease) -> None:
    try:
        results.begin(job)
        outputs = _compute(job, lease)
    except (Cancelled, Stopped, reuse.TwinRunsError, *AWAY):
        raise
    except MemoryError as error:
        # What the frames of the error hold is the memory that is missing.
        traceback.clear_frames(error.__traceback__)
        lease.closing()
        _fail(lease, limits.too_much_memory())
        return
    except Exception as error:
        lease.closing()
        _fail(lease, error)
        return
    lease.closing()
    if patiently(lambda: jobs.succeed(*lease.key, outputs)):
        metrics.SUCCESS.inc()
        results.remove_workspace(job)
    elif patiently(lambda: jobs.is_dismissed(job.id)):
        results.remove(job)


def _compute(job: Job, lease: Lease) -> list[Output]:
    execute = request_of(job)
    if catalog.is_ours(job.identifier):
        return _run_workflow(job, execute, lease)
    process = catalog.find(job.identifier)
    values = run_foreign(process, execute, results.attempt(job), lease.report)
    return [_foreign_output(job, value, lease) for value in values]


def _run_workflow(job: Job, execute: Execute, lease: Lease) -> list[Output]:
    config = settings.COMPUTE
    with metrics.BUILD.time():
        workflow = document.parse(job.identifier, **texts(execute))
        planned = plan.build(workflow)
    identity = reuse.identity(workflow)
    if found := patiently(lambda: reuse.found(job, identity)):
        return found
    _count(planned)
    try:
        with metrics.EXECUTE.time():
            written = run(
                planned,
                sources=replace(config.sources, notice=lease.note),
                workspace=results.workspace(job),
                destination=results.attempt(job) / "results",
                uid=str(job.id),
                provenance={
                    "wps_identifier": job.identifier,
                    "wps_server": f"{job.base_url}/wps",
                    "wps_document": job.document,
                    "container_image": config.container_image,
                },
                format=config.output_format,
                split_bytes=config.output_split_bytes,
                threads=config.worker_threads,
                memory_bytes=config.memory_bytes,
                decided=lambda decisions: lease.report(0, "; ".join(decisions)),
                parts=_parts(job, identity, lease),
                admit=partial(_admit, job, lease),
                clusters=partial(cluster_for, lease),
                report=lease.report,
                cancelled=lease.lost,
            )
    except SourceError as error:
        _count_failures(planned, error)
        raise
    return _workflow_outputs(job, written, lease)


def _parts(job: Job, identity: str, lease: Lease) -> Parts:
    config = settings.COMPUTE
    return Parts(
        results.workspace(job) / "parts",
        identity,
        seconds=config.checkpoint_seconds,
        least_free=config.least_free_bytes,
        notice=partial(lease.report, 0),
        stopping=drain.stopping,
    )


def _admit(job: Job, lease: Lease, estimate: Estimate) -> None:
    patiently(partial(limits.check_estimate, job, estimate))
    lease.estimated(estimate.input_bytes)
    metrics.SOURCE_BYTES.labels(job.identifier).observe(estimate.input_bytes)


def _workflow_outputs(job: Job, written: Sequence[Written], lease: Lease) -> list[Output]:
    places = _publish(job, [output.path for output in written], lease)
    outputs = [
        Output(
            identifier="output",
            kind=Output.Kind.FILE,
            name=f"{output.variable}|{output.operation}-{output.process}",
            path=f"{job.folder}/{place.name}",
            size=place.stat().st_size,
            mime_type=NETCDF,
        )
        for output, place in zip(written, places, strict=True)
    ]
    metrics.RESULT_BYTES.labels(job.identifier).observe(sum(output.size for output in outputs))
    return outputs


def _foreign_output(job: Job, value: ForeignOutput, lease: Lease) -> Output:
    output = Output(identifier=value.identifier)
    match value:
        case LiteralValue():
            output.kind, output.value = Output.Kind.LITERAL, value.text
            output.data_type, output.uom = value.data_type or "", value.uom or ""
            return output
        case ComplexValue():
            output.kind, output.value = Output.Kind.COMPLEX, value.text
        case ReferenceValue():
            output.kind, output.value = Output.Kind.REFERENCE, value.href
        case FileValue():
            (place,) = _publish(job, [value.path], lease)
            output.kind, output.path = Output.Kind.FILE, f"{job.folder}/{place.name}"
            output.size = place.stat().st_size
    output.mime_type = value.mime_type or ""
    output.encoding = value.encoding or ""
    output.schema = value.schema or ""
    return output


def _publish(job: Job, files: Sequence[Path], lease: Lease) -> list[Path]:
    """Move files to the job's results, unless the job is another's by now."""
    if not patiently(lambda: jobs.holds(*lease.key)):
        raise Cancelled("the job was dismissed")
    return results.publish(job, files)


def _fail(lease: Lease, error: Exception) -> None:
    """Close the job with what its client may know; the rest goes to the log."""
    reference = "" if exceptions.expected(error) else uuid.uuid4().hex[:12]
    if reference:
        logger.exception("job broke", reference=reference)
    fault = exceptions.describe(error, reference=reference)
    fail = partial(jobs.fail, code=fault.code, locator=fault.locator, text=fault.text)
    if patiently(lambda: fail(*lease.key)):
        metrics.FAILURE.inc()
        # An attempt that was killed may have left files there.
        results.remove(lease.job)


def _count(planned: plan.Plan) -> None:
    for step in planned.steps:
        metrics.PROCESS_USED.labels(step.process.identifier).inc()
    for variable in planned.sources.values():
        metrics.DATA_ACCESS.labels(metrics.host_of(variable.uri)).inc()


def _count_failures(planned: plan.Plan, error: SourceError) -> None:
    for variable in planned.sources.values():
        if variable.uri in error.message:
            metrics.DATA_ACCESS_FAILURE.labels(metrics.host_of(variable.uri)).inc()
