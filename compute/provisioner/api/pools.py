"""`/api/pools`."""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from django.db.models import Count, QuerySet
from django.http import HttpRequest
from ninja import Router, Status

from compute.provisioner import drains
from compute.provisioner.api import answers
from compute.provisioner.api.callers import operator
from compute.provisioner.api.pages import Filters
from compute.provisioner.api.problems import refusals
from compute.provisioner.api.resources import Resource, offer
from compute.provisioner.fields import PoolName
from compute.provisioner.kinds import POOL
from compute.provisioner.models import PRESENT, Node, Pool


class PoolFilters(Filters):
    """What the list of pools can be asked."""

    backend: Literal["local", "kubernetes"] | None = None
    role: Literal["worker", "dask"] | None = None
    queue: str | None = None
    capacity: Literal["on-demand", "spot"] | None = None
    fallback: PoolName | None = None
    circuit: Literal["closed", "open", "half-open"] | None = None


def _visible(request: HttpRequest) -> QuerySet[Pool]:
    operator(request)
    return Pool.objects.all()


def _show(rows: Sequence[Pool]) -> list[answers.Pool]:
    counts: dict[int, Counter[str]] = {}
    present = Node.objects.filter(pool__in=rows, state__in=PRESENT).order_by()
    for pool, state, count in present.values_list("pool", "state").annotate(Count("id")):
        counts.setdefault(pool, Counter())[state] = count
    return [answers.Pool.of(row, counts.get(row.pk, Counter())) for row in rows]


router = Router(tags=["pools"])
resource = Resource(POOL, PoolFilters, answers.Pool, _visible, _show)
offer(router, resource)


@router.post(
    "/{name}/drain",
    response={202: answers.Drained, **refusals(401, 404, 412, 422)},
    summary="Drain a pool",
    operation_id="drain_pool",
    auth=operator,
)
def drain_pool(
    request: HttpRequest, name: str, body: answers.Drain | None = None
) -> Status[answers.Drained]:
    """Set minimum and maximum to 0 and drain every node of the pool."""
    names = drains.drain_pool(
        resource.find(request, name), request.auth, body.seconds if body else None
    )
    return Status(202, answers.Drained(drained=names))
