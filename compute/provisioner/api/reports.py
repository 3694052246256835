"""`/api/events` and `/api/usage`: what happened, and what it cost."""

from datetime import datetime, timedelta
from typing import Literal

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Query, Router
from pydantic import AwareDatetime, BaseModel, Field

from compute.provisioner import models, usage
from compute.provisioner.api import answers, pages
from compute.provisioner.api.callers import reader
from compute.provisioner.api.problems import Refused, refusals

USAGE_DAYS = 30

router = Router(tags=["reports"])


class EventFilters(pages.Paged):
    """What the list of events can be asked."""

    kind: Literal["Pool", "ComputeNode", "Group", "BootProfile"] | None = None
    name: str | None = None
    type: Literal["normal", "warning"] | None = None
    reason: str | None = None
    actor: str | None = None
    pool: str | None = None
    since: AwareDatetime | None = Field(None, description="Not before this time")
    until: AwareDatetime | None = Field(None, description="Before this time")

    def condition(self) -> Q:
        """Return the condition that an event meets every filter."""
        given = {**dict(self), "time__gte": self.since, "time__lt": self.until}
        others = {*pages.Paged.model_fields, "since", "until"}
        return Q(**{n: v for n, v in given.items() if n not in others and v is not None})


class Events(BaseModel):
    """A page of events, the newest first."""

    items: list[answers.Event]
    next: str | None


class UsageFilters(pages.Paged):
    """What the usage can be asked."""

    by: usage.By = Field("pool", description="What rows are made of")
    pool: str | None = Field(None, description="Only nodes of this pool")
    owner: str | None = Field(None, description="Only what was done for this owner")
    since: AwareDatetime | None = Field(
        None, description=f"From this time on; {USAGE_DAYS} days before the end unless given"
    )
    until: AwareDatetime | None = Field(None, description="Up to this time; now unless given")


@router.get("/events", response={200: Events, **refusals(400, 401, 422)}, summary="List events")
def list_events(
    request: HttpRequest, response: HttpResponse, filters: Query[EventFilters]
) -> Events:
    """Return what happened to records; without an operator's token, to one's own nodes."""
    pages.refuse_unknown(request, EventFilters)
    rows = models.Event.objects.filter(filters.condition())
    asking = reader(request)
    if not asking.is_operator:
        rows = rows.filter(kind=models.Kind.COMPUTE_NODE, owner=asking.owner)
    found, cursor = pages.page(rows, "-id", filters)
    pages.link(request, response, cursor)
    return Events(items=[answers.Event.of(row) for row in found], next=cursor)


@router.get("/usage", response={200: answers.Usage, **refusals(400, 401, 422)}, summary="Usage")
def show_usage(
    request: HttpRequest, response: HttpResponse, filters: Query[UsageFilters]
) -> answers.Usage:
    """Return node seconds and cost by pool, owner or job; to others than operators, their own."""
    pages.refuse_unknown(request, UsageFilters)
    asking = reader(request)
    owner = filters.owner
    if not asking.is_operator:
        if owner not in (None, asking.owner):
            raise Refused(403, f"only operators see the usage of {owner!r}")
        owner = asking.owner
    since, until = _between(filters)
    condition = Q(pool_name=filters.pool) if filters.pool else Q()
    rows = usage.total(usage.shares_between(since, until, condition, owner), filters.by)
    names, cursor = pages.slice_of(list(rows), filters)
    pages.link(request, response, cursor)
    return answers.Usage(
        since=since,
        until=until,
        by=filters.by,
        total=answers.Spent.of(sum(rows.values(), usage.Spent())),
        items=[answers.SpentOn.of(rows[name], name=name) for name in names],
        next=cursor,
    )


def _between(filters: UsageFilters) -> tuple[datetime, datetime]:
    until = min(filters.until or timezone.now(), timezone.now())
    since = filters.since or until - timedelta(days=USAGE_DAYS)
    if since >= until:
        raise Refused(
            422, f"since {since:%Y-%m-%d %H:%M} is not before until, {until:%Y-%m-%d %H:%M}"
        )
    return since, until
