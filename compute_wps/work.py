"""Running one claimed job to its end on a worker."""

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path

import structlog
from django.conf import settings
from django.db import close_old_connections

from compute_tasks import document, plan
from compute_tasks.errors import Cancelled, SourceError
from compute_tasks.outputs.files import Output as Written
from compute_tasks.run import run
from compute_wps import catalog, jobs, metrics, results
from compute_wps.documents import request_of
from compute_wps.foreign import FileValue, ForeignOutput, run_foreign
from compute_wps.lease import Lease
from compute_wps.models import Job, Output
from compute_wps.protocol import exceptions
from compute_wps.protocol.execution import ComplexValue, LiteralValue, ReferenceValue
from compute_wps.protocol.requests import Execute
from compute_wps.submission import texts

NETCDF = "application/netcdf"

logger = structlog.get_logger(__name__)


def work(job: Job) -> None:
    """Run the job and close it, whatever happens; a job lost meanwhile is left alone."""
    lease = Lease(job)
    workspace = results.workspace(job)
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        with lease.kept():
            outputs = _compute(job, lease, workspace)
        close_old_connections()
        if jobs.succeed(*lease.key, outputs):
            metrics.SUCCESS.inc()
        elif jobs.is_dismissed(job.id):
            results.remove(job)
    except Cancelled:
        logger.info("job stopped")
    except Exception as error:
        _fail(lease, error)
    except (SystemExit, KeyboardInterrupt):
        jobs.release(*lease.key)
        raise
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _compute(job: Job, lease: Lease, workspace: Path) -> list[Output]:
    execute = request_of(job)
    if catalog.is_ours(job.identifier):
        return _run_workflow(job, execute, lease, workspace)
    process = catalog.find(job.identifier)
    values = run_foreign(process, execute, workspace, lease.report)
    return [_foreign_output(job, value, lease) for value in values]


def _run_workflow(job: Job, execute: Execute, lease: Lease, workspace: Path) -> list[Output]:
    config = settings.COMPUTE
    with metrics.BUILD.time():
        planned = plan.build(document.parse(job.identifier, **texts(execute)))
    _count(planned)
    try:
        with metrics.EXECUTE.time():
            written = run(
                planned,
                sources=config.sources,
                workspace=workspace,
                destination=workspace / "results",
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
                report=lease.report,
                cancelled=lease.lost,
            )
    except SourceError as error:
        _count_failures(planned, error)
        raise
    return _workflow_outputs(job, written, lease)


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
    if not jobs.holds(*lease.key):
        raise Cancelled("the job was dismissed")
    return results.publish(job, files)


def _fail(lease: Lease, error: Exception) -> None:
    """Close the job with what its client may know; the rest goes to the log."""
    reference = "" if exceptions.expected(error) else uuid.uuid4().hex[:12]
    if reference:
        logger.exception("job broke", reference=reference)
    fault = exceptions.describe(error, reference=reference)
    close_old_connections()
    if jobs.fail(*lease.key, code=fault.code, locator=fault.locator, text=fault.text):
        metrics.FAILURE.inc()


def _count(planned: plan.Plan) -> None:
    for step in planned.steps:
        metrics.PROCESS_USED.labels(step.process.identifier).inc()
    for variable in planned.sources.values():
        metrics.DATA_ACCESS.labels(metrics.host_of(variable.uri)).inc()


def _count_failures(planned: plan.Plan, error: SourceError) -> None:
    for variable in planned.sources.values():
        if variable.uri in error.message:
            metrics.DATA_ACCESS_FAILURE.labels(metrics.host_of(variable.uri)).inc()
