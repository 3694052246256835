"""The REST addresses, each with and without a final slash, jobs and states as `.json` too."""

import uuid
from http import HTTPStatus
from urllib.parse import urlencode

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from ninja import NinjaAPI, Query, Status
from ninja.errors import HttpError, ValidationError
from pydantic import JsonValue

from compute_wps import __doc__ as description
from compute_wps import answers, catalog, documents, jobs, models, results, retention
from compute_wps.api import schemas
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.views import base_url, metrics_page

LARGEST_PAGE = 1000

# Decorators work from the last to the first: `.json` must be looked for before any other ending.

logger = structlog.get_logger(__name__)

api = NinjaAPI(
    title="ESGF Compute",
    description=description or "",
    urls_namespace="api",
    openapi_url=None,
    docs_url=None,
)


@api.get("/job/", response=schemas.Jobs, summary="List the jobs")
@api.get("/job", response=schemas.Jobs, include_in_schema=False)
def list_jobs(
    request: HttpRequest,
    limit: int = Query(100, ge=1, le=LARGEST_PAGE),
    offset: int = Query(0, ge=0, le=2**31),
) -> schemas.Jobs:
    """Return a page of the jobs that were not dismissed, the newest first."""
    rows = models.Job.objects.exclude(status=models.State.DISMISSED)
    count, base = rows.count(), base_url(request)
    page = rows.prefetch_related("statuses", "outputs")[offset : offset + limit]

    def address(start: int) -> str:
        return f"{base}/wps/api/job/?{urlencode({'limit': limit, 'offset': start})}"

    return schemas.Jobs(
        count=count,
        next=address(offset + limit) if offset + limit < count else None,
        previous=address(max(0, offset - limit)) if offset else None,
        results=[schemas.Job.of(row, base, row.message) for row in page],
    )


@api.get("/job/{job_id}/", response={200: schemas.Job, 404: schemas.Problem}, summary="Show a job")
@api.get("/job/{job_id}", response=schemas.Job, include_in_schema=False)
@api.get("/job/{job_id}.json", response=schemas.Job, include_in_schema=False)
def show_job(request: HttpRequest, job_id: str) -> schemas.Job:
    """Return one job."""
    return _shown(_job(job_id), request)


@api.patch(
    "/job/{job_id}/",
    response={200: schemas.Job, 400: schemas.Problem, 404: schemas.Problem, 409: schemas.Problem},
    summary="Keep the results of a job longer or shorter",
)
@api.patch("/job/{job_id}", response=schemas.Job, include_in_schema=False)
def change_job(request: HttpRequest, job_id: str, wanted: schemas.Retention) -> schemas.Job:
    """Set how long the results of the job are kept; what has expired stays so."""
    job = _job(job_id)
    try:
        kept = retention.keep(job.id, wanted.retention_days)
    except retention.RetentionError as error:
        raise HttpError(400, str(error)) from error
    if not kept:
        raise HttpError(409, f"the results of job {job_id} are gone")
    return _shown(_job(job_id), request)


@api.delete("/job/{job_id}/", response={204: None, 404: schemas.Problem}, summary="Remove a job")
@api.delete("/job/{job_id}", response={204: None}, include_in_schema=False)
def remove_job(request: HttpRequest, job_id: str) -> Status[None]:
    """Cancel the job if it waits or runs, and remove it and its files."""
    job = _job(job_id)
    if not jobs.dismiss(job.id):
        raise HttpError(404, f"no job {job_id}")
    results.remove(job)
    return Status(204, None)


@api.get(
    "/status/{status_id}/",
    response={200: schemas.Status, 404: schemas.Problem},
    exclude_none=True,
    summary="Show a state of a job",
)
@api.get("/status/{status_id}", response=schemas.Status, exclude_none=True, include_in_schema=False)
@api.get(
    "/status/{status_id}.json",
    response=schemas.Status,
    exclude_none=True,
    include_in_schema=False,
)
def show_status(request: HttpRequest, status_id: str) -> schemas.Status:
    """Return one state a job has been in, with its messages."""
    rows = models.Status.objects.select_related("job").prefetch_related("messages")
    number = int(status_id) if status_id.isdecimal() and len(status_id) < 19 else 0
    row = rows.exclude(job__status=models.State.DISMISSED).filter(pk=number).first()
    if row is None:
        raise HttpError(404, f"no status {status_id}")
    return schemas.Status.of(row)


@api.get("/output/{job_id}/{identifier}", summary="Fetch an output of a job")
@api.get("/output/{job_id}/{identifier}/", include_in_schema=False)
def show_output(request: HttpRequest, job_id: str, identifier: str) -> HttpResponseBase:
    """Return the bare value of an output in its own media type."""
    job = _job(job_id)
    try:
        return answers.raw(job, documents.value_of(job, identifier))
    except ProtocolError as error:
        raise HttpError(404, error.text) from error


@api.get("/process/", response=schemas.Processes, summary="List the processes")
@api.get("/process", response=schemas.Processes, include_in_schema=False)
def list_processes(request: HttpRequest) -> schemas.Processes:
    """Return the processes on offer."""
    offered = [schemas.Process.of(process) for process in catalog.offered().values()]
    return schemas.Processes(count=len(offered), results=offered)


@api.get("/ping/", summary="Ask whether the web answers")
@api.get("/ping", include_in_schema=False)
def ping(request: HttpRequest) -> HttpResponse:
    """Answer `pong`."""
    return HttpResponse("pong", content_type="text/plain")


@api.get("/metrics/", include_in_schema=False)
@api.get("/metrics", include_in_schema=False)
def show_metrics(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics of the web."""
    return metrics_page(request)


@api.get("/schema/", include_in_schema=False)
@api.get("/schema", include_in_schema=False)
def schema(request: HttpRequest) -> dict[str, JsonValue]:
    """Answer with the OpenAPI document of these addresses."""
    return dict(api.get_openapi_schema())


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: Exception) -> HttpResponse:
    problems = error.errors if isinstance(error, ValidationError) else []
    detail = "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in problems)
    return api.create_response(request, {"detail": detail}, status=HTTPStatus.BAD_REQUEST)


@api.exception_handler(Exception)
def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
    reference = uuid.uuid4().hex[:12]
    logger.error("request broke", reference=reference, exc_info=error)
    detail = f"The service failed on this request; its operator finds the cause under {reference}."
    return api.create_response(request, {"detail": detail}, status=HTTPStatus.INTERNAL_SERVER_ERROR)


def _shown(job: models.Job, request: HttpRequest) -> schemas.Job:
    return schemas.Job.of(job, base_url(request), documents.message_of(job))


def _job(job_id: str) -> models.Job:
    try:
        rows = models.Job.objects.exclude(status=models.State.DISMISSED)
        return rows.get(pk=uuid.UUID(job_id))
    except (ValueError, models.Job.DoesNotExist):
        raise HttpError(404, f"no job {job_id}") from None
