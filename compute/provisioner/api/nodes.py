"""`/api/compute-nodes`."""

from collections.abc import Sequence
from typing import Literal

from django.db.models import Prefetch, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from ninja import Router, Status
from pydantic import Field

from compute.provisioner import drains
from compute.provisioner.api import answers, versions
from compute.provisioner.api.callers import operator, reader
from compute.provisioner.api.pages import Filters
from compute.provisioner.api.problems import refusals
from compute.provisioner.api.resources import Resource, offer
from compute.provisioner.fields import Address, Architecture, Mac, Name, PoolName, XName
from compute.provisioner.kinds import COMPUTE_NODE
from compute.provisioner.labels import selected
from compute.provisioner.models import Event, Kind, Node, NodeJob

EVENTS_SHOWN = 20


class NodeFilters(Filters):
    """What the list of compute nodes can be asked."""

    state: list[answers.NodeState] = Field([], description="One of these; several may be given")
    ended: bool = Field(False, description="Also those that have ended")
    pool: PoolName | None = None
    owner: str | None = None
    capacity: Literal["on-demand", "spot"] | None = None
    by_hand: bool | None = None
    target: Literal["running", "stopped"] | None = None
    xname: XName | None = None
    architecture: Architecture | None = None
    management_address: Address | None = None
    bmc_address: Address | None = None
    bmc_mac: Mac | None = None
    boot_mac: Mac | None = None
    boot_profile: Name | None = None

    def condition(self) -> Q:
        """Return the condition of the filters; nodes that ended are left out unless asked for."""
        condition = selected(self.label)
        condition &= self.equal("label", "state", "ended", "pool", "boot_profile")
        if self.state:
            condition &= Q(state__in=self.state)
        elif not self.ended:
            condition &= Q(ended__isnull=True)
        if self.pool:
            condition &= Q(pool_name=self.pool)
        if self.boot_profile:
            condition &= Q(boot_profile__name=self.boot_profile)
        return condition


def _visible(request: HttpRequest) -> QuerySet[Node]:
    running = Prefetch("jobs", NodeJob.objects.filter(ended__isnull=True))
    rows = Node.objects.kept().select_related("pool", "boot_profile").prefetch_related(running)
    asking = reader(request)
    return rows if asking.is_operator else rows.filter(owner=asking.owner)


def _show(rows: Sequence[Node]) -> list[answers.ComputeNode]:
    return [answers.ComputeNode.of(row) for row in rows]


def _detail(row: Node) -> answers.ComputeNodeWithEvents:
    events = Event.objects.filter(
        kind=Kind.COMPUTE_NODE, name=row.name, owner=row.owner, time__gte=row.created
    )
    last = [answers.Event.of(event) for event in events.order_by("-id")[:EVENTS_SHOWN]]
    return answers.ComputeNodeWithEvents.of(row, events=last[::-1])


router = Router(tags=["compute-nodes"])
resource = Resource(
    COMPUTE_NODE,
    NodeFilters,
    answers.ComputeNode,
    _visible,
    _show,
    detailed=answers.ComputeNodeWithEvents,
    detail=_detail,
)
offer(router, resource)


@router.post(
    "/{name}/drain",
    response={202: answers.ComputeNode, **refusals(401, 404, 409, 412, 422)},
    summary="Drain a compute node",
    operation_id="drain_node",
    auth=operator,
)
def drain_node(
    request: HttpRequest,
    response: HttpResponse,
    name: str,
    body: answers.Drain | None = None,
) -> Status[answers.ComputeNode]:
    """Let a node take no more jobs, and stop it when it has none or its time is up."""
    row = resource.find(request, name)
    versions.check(request, row, COMPUTE_NODE, required=False)
    drains.drain_node(row, request.auth, body.seconds if body else None)
    return Status(202, resource.answered(response, resource.find(request, name)))
