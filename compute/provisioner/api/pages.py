"""Long lists in pages: each page says where the next one begins.

The cursor holds the place of the last row that was shown, so that rows that come and go meanwhile
neither repeat others nor hide them.
"""

import base64
import binascii
import json
from typing import Any, TypeVar, cast

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from pydantic import Field

from compute.provisioner.api.problems import Refused
from compute.provisioner.errors import Unusable
from compute.provisioner.labels import selected
from compute.provisioner.schemas import Strict

LARGEST_PAGE = 1000

Value = TypeVar("Value", str, int)


class Paged(Strict):
    """What every list can be asked."""

    limit: int = Field(100, ge=1, le=LARGEST_PAGE, description="Rows in the page, at most")
    cursor: str = Field("", max_length=500, description="`next` of the page before")


class Filters(Paged):
    """What every list of records can be asked; other fields name the value of a column."""

    label: list[str] = Field([], description="`key=value` or `key`; all must hold")

    def condition(self) -> Q:
        """Return the condition that a row meets every filter."""
        return selected(self.label) & self.equal("label")

    def equal(self, *others: str) -> Q:
        """Return the condition of the filters that were given, other than these."""
        leave_out = {*Paged.model_fields, *others}
        return Q(**{n: v for n, v in self if n not in leave_out and v is not None})


def refuse_unknown(request: HttpRequest, filters: type[Paged]) -> None:
    """Refuse parameters the list does not have: a filter misspelt would show everything."""
    if unknown := sorted(set(request.GET) - set(filters.model_fields)):
        known = ", ".join(filters.model_fields)
        raise Refused(400, f"no parameter {', '.join(map(repr, unknown))}; there are {known}")


def page(rows: "QuerySet[Any]", order: str, paged: Paged) -> tuple[list[Any], str | None]:
    """Return the rows of a page and the cursor of the next one, None for the last.

    `order` is `name` or, newest first, `-id`.
    """
    field = order.lstrip("-")
    if paged.cursor and order == "name":
        rows = rows.filter(name__gt=_read(paged.cursor, str))
    elif paged.cursor:
        rows = rows.filter(id__lt=_read(paged.cursor, int))
    found = list(rows.order_by(order)[: paged.limit + 1])
    more = len(found) > paged.limit
    return found[: paged.limit], _write(getattr(found[paged.limit - 1], field)) if more else None


def slice_of(names: list[str], paged: Paged) -> tuple[list[str], str | None]:
    """Return the part of a list that is a page, and the cursor of the next one."""
    start = _read(paged.cursor, int) if paged.cursor else 0
    end = start + paged.limit
    return names[start:end], _write(end) if end < len(names) else None


def link(request: HttpRequest, response: HttpResponse, cursor: str | None) -> None:
    """Say in a header, too, where the next page is."""
    if cursor:
        query = request.GET.copy()
        query["cursor"] = cursor
        response["Link"] = f'<{request.path}?{query.urlencode()}>; rel="next"'


def _write(value: str | int) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _read(cursor: str, kind: type[Value]) -> Value:
    try:
        value = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError):
        value = None
    usable = type(value) is kind and str(value).isprintable() and not str(value).startswith("-")
    if not usable or _write(value) != cursor:
        raise Unusable("cursor", f"{cursor!r} is not the `next` of a page of this list")
    return cast(Value, value)
