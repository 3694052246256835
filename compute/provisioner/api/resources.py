"""The addresses that every kind of record has: list, create, show, replace, change, delete."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Body, Query, Router, Status
from pydantic import BaseModel, JsonValue, create_model

from compute.provisioner import records
from compute.provisioner.api import pages, versions
from compute.provisioner.api.callers import operator
from compute.provisioner.api.lookup import one
from compute.provisioner.api.problems import refusals
from compute.provisioner.kinds import Kind
from compute.provisioner.models import Record
from compute.provisioner.schemas import Metadata


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of record as REST offers it.

    `visible` gives the rows that whoever asks may see, or refuses; `show` makes answers from rows;
    `detail` makes the answer of one record where that says more than the list.
    """

    kind: Kind
    filters: type[pages.Filters]
    answer: type[BaseModel]
    visible: Callable[[HttpRequest], "QuerySet[Any]"]
    show: Callable[[Sequence[Any]], list[Any]]
    detailed: type[BaseModel] | None = None
    detail: Callable[[Any], BaseModel] | None = None

    def find(self, request: HttpRequest, name: str) -> Any:
        """Return the record of that name that whoever asks may see, or refuse."""
        return one(self.visible(request), self.kind, name)

    def answered(self, response: HttpResponse, row: Record) -> Any:
        """Return the answer that shows a record, with its version in the headers."""
        versions.show(response, row)
        return self.show([row])[0]


def offer(router: Router, resource: Resource) -> None:
    """Add the addresses of a kind of record to a router."""
    _offer_reading(router, resource)
    _offer_creation(router, resource)
    _offer_changes(router, resource)


def _offer_reading(router: Router, resource: Resource) -> None:
    kind, plural = resource.kind, resource.kind.plural
    filter_type = resource.filters
    page_type = create_model(
        f"{kind.name}Page",
        __doc__=f"A page of {plural}, by name.",
        items=(list[resource.answer], ...),  # type: ignore[name-defined]
        next=(str | None, ...),
    )

    @router.get(
        "",
        response={200: page_type, **refusals(400, 401, 422)},
        summary=f"List {plural}",
        operation_id=f"list_{kind.identifier}",
    )
    def list_records(
        request: HttpRequest,
        response: HttpResponse,
        filters: Query[filter_type],  # type: ignore[valid-type]
    ) -> BaseModel:
        """Return those that meet every filter."""
        pages.refuse_unknown(request, filter_type)
        rows = resource.visible(request).filter(filters.condition())  # type: ignore[attr-defined]
        found, cursor = pages.page(rows, "name", filters)
        pages.link(request, response, cursor)
        return page_type.model_construct(items=resource.show(found), next=cursor)

    @router.get(
        "/{name}",
        response={200: resource.detailed or resource.answer, **refusals(401, 404)},
        summary=f"Show a {kind.noun}",
        operation_id=f"show_{kind.identifier}",
    )
    def show_record(request: HttpRequest, response: HttpResponse, name: str) -> Any:
        """Return one."""
        row = resource.find(request, name)
        shown = resource.answered(response, row)
        return resource.detail(row) if resource.detail else shown


def _offer_creation(router: Router, resource: Resource) -> None:
    kind = resource.kind
    body_type = kind.body

    @router.post(
        "",
        response={201: resource.answer, **refusals(401, 409, 413, 422)},
        summary=f"Create a {kind.noun}",
        operation_id=f"create_{kind.identifier}",
        auth=operator,
    )
    def create_record(
        request: HttpRequest,
        response: HttpResponse,
        body: body_type,  # type: ignore[valid-type]
    ) -> Status[Any]:
        """Create one; what the body leaves out gets its default."""
        row = records.create(kind, body, request.auth)
        response["Location"] = f"{request.path}/{row.name}"
        return Status(201, resource.answered(response, row))


def _offer_changes(router: Router, resource: Resource) -> None:
    kind = resource.kind
    body_type = kind.body

    @router.put(
        "/{name}",
        response={200: resource.answer, **refusals(401, 404, 409, 412, 413, 422, 428)},
        summary=f"Replace a {kind.noun}",
        operation_id=f"replace_{kind.identifier}",
        auth=operator,
    )
    def replace_record(
        request: HttpRequest,
        response: HttpResponse,
        name: str,
        body: body_type,  # type: ignore[valid-type]
    ) -> Any:
        """Give it new values; what the body leaves out gets its default. Needs `If-Match`."""
        row = resource.find(request, name)
        versions.check(request, row, kind)
        return resource.answered(response, records.replace(kind, row, body, request.auth))

    @router.patch(
        "/{name}",
        response={200: resource.answer, **refusals(401, 404, 409, 412, 413, 422, 428)},
        summary=f"Change a {kind.noun}",
        operation_id=f"change_{kind.identifier}",
        auth=operator,
    )
    def change_record(
        request: HttpRequest,
        response: HttpResponse,
        name: str,
        changes: Body[dict[str, JsonValue]],
    ) -> Any:
        """Change some values by a JSON merge patch (RFC 7396). Needs `If-Match`."""
        row = resource.find(request, name)
        versions.check(request, row, kind)
        body = _merged(kind, resource.show([row])[0], changes)
        return resource.answered(response, records.replace(kind, row, body, request.auth))

    @router.delete(
        "/{name}",
        response={204: None, **refusals(401, 404, 409, 412)},
        summary=f"Delete a {kind.noun}",
        operation_id=f"delete_{kind.identifier}",
        auth=operator,
    )
    def delete_record(request: HttpRequest, name: str) -> Status[None]:
        """Remove it. A node is drained first; a pool that has nodes is not removed."""
        row = resource.find(request, name)
        versions.check(request, row, kind, required=False)
        records.delete(kind, row, request.auth)
        return Status(204, None)


def _merged(kind: Kind, shown: BaseModel, changes: Mapping[str, JsonValue]) -> Metadata:
    written = shown.model_dump(mode="json", include=set(kind.body.model_fields))
    return kind.body.model_validate(_merge(written, changes))


def _merge(old: Any, changes: JsonValue | Mapping[str, JsonValue]) -> Any:
    if not isinstance(changes, Mapping):
        return changes
    result = dict(old) if isinstance(old, Mapping) else {}
    for name, value in changes.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = _merge(result.get(name), value)
    return result
