"""Versions of records in headers: `ETag` says which one was read, `If-Match` which is meant.

A version counts what people changed; the answer to a later request may show another state of a
node under the same version.
"""

from typing import Any

from django.http import HttpRequest, HttpResponse

from compute.provisioner.api.problems import Refused
from compute.provisioner.kinds import Kind
from compute.provisioner.models import Record


def etag(row: Record) -> str:
    """Return the tag of the version; another record that takes the name later has others."""
    return f'"{row.pk}-{row.version}"'


def show(response: HttpResponse, row: Record) -> None:
    """Say which version the answer shows, and that it is not to be kept."""
    response["ETag"] = etag(row)
    response["Cache-Control"] = "no-store"


def check(request: HttpRequest, row: Any, kind: Kind, *, required: bool = True) -> None:
    """Refuse a change that was not made for the version there is."""
    given = request.headers.get("If-Match", "")
    if not given and required:
        raise Refused(
            428,
            f"give the ETag of the {kind.noun} you read as If-Match, or `*` for any version",
        )
    tags = [tag.strip() for tag in given.split(",")]
    if given and "*" not in tags and etag(row) not in tags:
        raise Refused(412, f"{row.name} was changed meanwhile; fetch it and try again")
