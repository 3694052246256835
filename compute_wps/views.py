"""The WPS entry point and the status documents: requests in, documents out, nothing else."""

import time
import uuid
from functools import lru_cache, singledispatch

import structlog
from django.conf import settings
from django.core.exceptions import DisallowedHost, RequestDataTooBig
from django.db import Error as DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, UnreadablePostError
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from compute_wps import answers, catalog, documents, metrics
from compute_wps.identity import caller
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
from compute_wps.protocol.values import boolean

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


@csrf_exempt
@require_safe
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


@csrf_exempt
@require_safe
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


def unusable_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer what Django refuses before any view, such as a Host header that is not ours."""
    text = "the request cannot be used"
    if isinstance(exception, DisallowedHost):
        text = (
            f"the service does not answer at host {request.META.get('HTTP_HOST', '')!r}; "
            "its operator names the hosts in COMPUTE_ALLOWED_HOSTS"
        )
    logger.warning("request refused", reason=text)
    return _refusal(ProtocolError("NoApplicableCode", text))


def base_url(request: HttpRequest) -> str:
    """Return the address clients reach the service at, without a path."""
    return settings.COMPUTE.public_url.rstrip("/") or request.build_absolute_uri("/")[:-1]


def _call(request: HttpRequest) -> Request:
    """Return what is asked; the address of a POST says nothing, as WPS has it."""
    if request.method not in METHODS:
        raise ProtocolError(
            "OperationNotSupported", f"method {request.method} is not offered; use GET or POST"
        )
    if request.method != "POST":
        return kvp.parse(request.META.get("QUERY_STRING", ""))
    return xml.parse(_body(request))


def _body(request: HttpRequest) -> bytes:
    try:
        return _chunks(request) if "HTTP_TRANSFER_ENCODING" in request.META else request.body
    except RequestDataTooBig:
        raise ProtocolError(
            "FileSizeExceeded",
            f"the request has more than {settings.COMPUTE.request_bytes} bytes; "
            "give large inputs as a Reference",
        ) from None
    except UnreadablePostError:
        raise ProtocolError("NoApplicableCode", "the request is broken or ended early") from None


def _chunks(request: HttpRequest) -> bytes:
    """Return a body sent in chunks, which Django takes for empty as no length is announced."""
    limit = settings.COMPUTE.request_bytes
    try:
        body: bytes = request.META["wsgi.input"].read(limit + 1)
    except Exception as error:
        # Each server has errors of its own for chunks it cannot read.
        raise UnreadablePostError(str(error)) from error
    if len(body) > limit:
        raise RequestDataTooBig
    return body


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
    return answers.execute(
        call,
        caller(request),
        base_url=base_url(request),
        request_id=request_id,
        reusing=_reusing(request),
    )


def _reusing(request: HttpRequest) -> bool:
    """Tell whether an earlier result may be the answer; `reuse=false` in any address says no."""
    given = {name.lower(): text for name, text in request.GET.items()}
    return boolean(given.get("reuse") or "true", "reuse")


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
