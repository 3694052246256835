"""Refusals as RFC 9457 problem details."""

import uuid
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import structlog
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.http import HttpRequest, HttpResponse, JsonResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationErrorContext
from pydantic import BaseModel, Field, ValidationError

from compute.provisioner.errors import Changed, Conflict, RecordError, Unusable
from compute.provisioner.wording import place, said

MEDIA_TYPE = "application/problem+json"

logger = structlog.get_logger(__name__)


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Its place, with dots between names")
    detail: str


class Refused(Exception):
    """A request that is refused with this status and text, and the fields at fault."""

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        errors: Iterable[FieldProblem] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}
        self.errors = list(errors)


class Problem(BaseModel):
    """Why a request was refused."""

    type: str = "about:blank"
    title: str = Field(description="The meaning of the status")
    status: int
    detail: str
    errors: list[FieldProblem] = Field([], description="The fields at fault")


def problem(
    status: int,
    detail: str,
    errors: Iterable[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """Return the answer that refuses a request."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, errors=list(errors)
    )
    content = body.model_dump(exclude=set() if body.errors else {"errors"})
    return JsonResponse(content, status=status, content_type=MEDIA_TYPE, headers=headers)


def refusals(*statuses: int) -> dict[int, type[Problem]]:
    """Return the declaration of the statuses an address refuses with."""
    return dict.fromkeys(statuses, Problem)


def unknown(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Answer a request for an address that is not there."""
    return problem(404, f"there is nothing at {request.path}; see /api/openapi.json")


def install(api: NinjaAPI) -> None:
    """Let the API answer every refusal as a problem."""

    @api.exception_handler(Refused)
    def _refused(request: HttpRequest, error: Exception) -> HttpResponse:
        assert isinstance(error, Refused)  # noqa: S101
        return problem(error.status, str(error), error.errors, error.headers)

    @api.exception_handler(RecordError)
    def _record(request: HttpRequest, error: Exception) -> HttpResponse:
        if isinstance(error, Unusable):
            fault = FieldProblem(field=error.field, detail=str(error))
            return problem(422, f"{error.field}: {error}", [fault])
        statuses = {Changed: 412, Conflict: 409}
        return problem(statuses[type(error)], str(error))

    @api.exception_handler(ValidationError)
    def _invalid(request: HttpRequest, error: Exception) -> HttpResponse:
        assert isinstance(error, ValidationError)  # noqa: S101
        return _refused(request, unprocessable(error.errors()))

    @api.exception_handler(HttpError)
    def _http(request: HttpRequest, error: Exception) -> HttpResponse:
        assert isinstance(error, HttpError)  # noqa: S101
        return problem(error.status_code, "the body is not JSON")

    @api.exception_handler(SuspiciousOperation)
    def _suspicious(request: HttpRequest, error: Exception) -> HttpResponse:
        if isinstance(error, RequestDataTooBig):
            return problem(413, "the body is longer than COMPUTE_REQUEST_BYTES")
        return problem(400, "the request cannot be read")

    @api.exception_handler(Exception)
    def _broken(request: HttpRequest, error: Exception) -> HttpResponse:
        reference = uuid.uuid4().hex[:12]
        logger.error("request broke", reference=reference, exc_info=error)
        return problem(
            500,
            f"The service failed on this request; its operator finds the cause under {reference}.",
        )


class ProblemAPI(NinjaAPI):
    """An API that says what was wrong with a value by showing it."""

    def validation_error_from_error_contexts(
        self, error_contexts: list[ValidationErrorContext[Any]]
    ) -> Any:
        """Return the refusal of a body or query; places begin after our parameter's name."""
        errors = [
            error for each in error_contexts for error in each.pydantic_validation_error.errors()
        ]
        return unprocessable(errors, skip=1)


def unprocessable(errors: Iterable[Mapping[str, Any]], skip: int = 0) -> Refused:
    """Return the refusal of values, the first `skip` parts of each place left out."""
    found = [FieldProblem(field=place(e["loc"][skip:]), detail=said(e)) for e in errors]
    text = "; ".join(f"{fault.field or 'body'}: {fault.detail}" for fault in found)
    return Refused(422, text, errors=found)
