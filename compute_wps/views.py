"""The WPS entry point and the status documents: requests in, documents out, nothing else."""

import time
import uuid
from functools import lru_cache, singledispatch

import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt

from compute_wps import answers, catalog, documents, metrics
from compute_wps.models import Job
from compute_wps.protocol import exceptions, kvp, xml
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.negotiation import check_update_sequence, negotiate_language
from compute_wps.protocol.requests import DescribeProcess, Execute, GetCapabilities, Request
from compute_wps.protocol.responses import (
    ServiceMetadata,
    capabilities,
    descriptions,
    exception_report,
)

METHODS = ("GET", "HEAD", "POST")

logger = structlog.get_logger(__name__)


@csrf_exempt
def wps(request: HttpRequest) -> HttpResponseBase:
    """Answer a WPS request; whatever goes wrong is answered with an exception report."""
    started = time.monotonic()
    kind = "unknown"
    try:
        call = _call(request)
        kind = type(call).__name__
        answer = _answer(call, request)
    except Exception as error:
        answer = _refusal(error)
    metrics.REQUEST.labels(kind, _known_method(request)).observe(time.monotonic() - started)
    return answer


def job_document(request: HttpRequest, job_id: str) -> HttpResponse:
    """Answer with the status document of a job, always with 200.

    OWSLib asks again without a pause on any other status, and pauses while a job is accepted.
    """
    try:
        return answers.xml(documents.response(Job.objects.get(pk=uuid.UUID(job_id))))
    except (ValueError, Job.DoesNotExist):
        return answers.xml(documents.unknown_response(job_id, base_url(request)))
    except DatabaseError as error:
        logger.error("job not read", reason=str(error))
        return answers.xml(documents.unreadable_response(base_url(request)))


def status_document(request: HttpRequest, status_id: str) -> HttpResponse:
    """Answer with the status document of the job that was in this state."""
    number = int(status_id) if status_id.isdecimal() and len(status_id) < 19 else 0
    job = Job.objects.filter(statuses__pk=number).first()
    if job is None:
        return answers.xml(documents.unknown_response(status_id, base_url(request)))
    return answers.xml(documents.response(job))


def metrics_page(request: HttpRequest) -> HttpResponse:
    """Answer with the metrics of the web."""
    return HttpResponse(metrics.exposition(), content_type=metrics.CONTENT_TYPE)


def base_url(request: HttpRequest) -> str:
    """Return the address clients reach the service at, without a path."""
    return settings.COMPUTE.public_url.rstrip("/") or request.build_absolute_uri("/")[:-1]


def _call(request: HttpRequest) -> Request:
    """Return what is asked; a POST without a body is read from its address."""
    if request.method not in METHODS:
        raise ProtocolError(
            "OperationNotSupported", f"method {request.method} is not offered; use GET or POST"
        )
    query = request.META.get("QUERY_STRING", "")
    if request.method != "POST":
        return kvp.parse(query)
    body = _body(request)
    return xml.parse(body) if body.strip() or not query else kvp.parse(query)


def _body(request: HttpRequest) -> bytes:
    try:
        return request.body
    except RequestDataTooBig:
        raise ProtocolError(
            "FileSizeExceeded",
            f"the request has more than {settings.COMPUTE.request_bytes} bytes; "
            "give large inputs as a Reference",
        ) from None
    except UnreadablePostError:
        raise ProtocolError("NoApplicableCode", "the request ended early") from None


@singledispatch
def _answer(call: Request, request: HttpRequest) -> HttpResponseBase:
    raise TypeError(f"no answer to {type(call).__name__}")


@_answer.register
def _(call: GetCapabilities, request: HttpRequest) -> HttpResponse:
    check_update_sequence(call.update_sequence, catalog.update_sequence())
    return answers.xml(_capabilities(_language(call.language), base_url(request)))


@_answer.register
def _(call: DescribeProcess, request: HttpRequest) -> HttpResponse:
    return answers.xml(
        _descriptions(_language(call.language), tuple(dict.fromkeys(call.identifiers)))
    )


@_answer.register
def _(call: Execute, request: HttpRequest) -> HttpResponseBase:
    if request.method == "HEAD":
        raise ProtocolError("OperationNotSupported", "Execute is not offered by HEAD", "request")
    _language(call.language)
    request_id: str = getattr(request, "request_id", "")
    return answers.execute(call, base_url(request), request_id)


# Cached documents are few: an endless supply of Host headers must not fill the memory.
@lru_cache(maxsize=64)
def _capabilities(language: str, base: str) -> bytes:
    return capabilities(
        ServiceMetadata.of(settings.COMPUTE),
        catalog.offered().values(),
        documents.endpoint(base),
        language,
        catalog.update_sequence(),
    )


@lru_cache(maxsize=64)
def _descriptions(language: str, identifiers: tuple[str, ...]) -> bytes:
    return descriptions(catalog.select(identifiers), language, settings.COMPUTE.request_bytes)


def _language(asked: str | None) -> str:
    return negotiate_language(asked, settings.COMPUTE.service_languages)


def _refusal(error: Exception) -> HttpResponse:
    metrics.ERRORS.inc()
    reference = "" if exceptions.expected(error) else uuid.uuid4().hex[:12]
    if reference:
        logger.exception("request broke", reference=reference)
    fault = exceptions.describe(error, reference=reference)
    report = exception_report(fault, settings.COMPUTE.service_languages[0])
    return answers.xml(report, fault.status)


def _known_method(request: HttpRequest) -> str:
    return request.method if request.method in METHODS else "other"
