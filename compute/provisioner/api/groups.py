"""`/api/groups`."""

from collections.abc import Sequence

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Router, Status

from compute.provisioner import drains
from compute.provisioner.api import answers
from compute.provisioner.api.callers import operator
from compute.provisioner.api.pages import Filters
from compute.provisioner.api.problems import refusals
from compute.provisioner.api.resources import Resource, offer
from compute.provisioner.kinds import GROUP
from compute.provisioner.models import Group


class GroupFilters(Filters):
    """What the list of groups can be asked."""


def _visible(request: HttpRequest) -> QuerySet[Group]:
    operator(request)
    return Group.objects.all()


def _show(rows: Sequence[Group]) -> list[answers.Group]:
    return [answers.Group.of(row, [node.name for node in drains.members(row)]) for row in rows]


router = Router(tags=["groups"])
resource = Resource(GROUP, GroupFilters, answers.Group, _visible, _show)
offer(router, resource)


@router.post(
    "/{name}/drain",
    response={202: answers.Drained, **refusals(401, 404, 412, 422)},
    summary="Drain a group",
    operation_id="drain_group",
    auth=operator,
)
def drain_group(
    request: HttpRequest, name: str, body: answers.Drain | None = None
) -> Status[answers.Drained]:
    """Drain every node of the group that is there."""
    names = drains.drain_group(
        resource.find(request, name), request.auth, body.seconds if body else None
    )
    return Status(202, answers.Drained(drained=names))
