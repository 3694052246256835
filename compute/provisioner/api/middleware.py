"""Refusals that are made before a request reaches one of our functions."""

from collections.abc import Callable
from http import HTTPStatus

from django.http import HttpRequest, HttpResponse

from compute.provisioner.api.problems import problem


class Problems:
    """Answers a method that an address under `/api/` does not have with problem details, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer the request."""
        response = self.get_response(request)
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED or not request.path.startswith(
            "/api/"
        ):
            return response
        allowed = response["Allow"]
        text = f"{request.path} does not take {request.method}; it takes {allowed}"
        return problem(405, text, headers={"Allow": allowed})
