"""`/api/boot-profiles`."""

from collections.abc import Sequence

from django.db.models import Prefetch, QuerySet
from django.http import HttpRequest
from ninja import Router

from compute.provisioner.api import answers
from compute.provisioner.api.callers import operator
from compute.provisioner.api.pages import Filters
from compute.provisioner.api.resources import Resource, offer
from compute.provisioner.kinds import BOOT_PROFILE
from compute.provisioner.models import BootProfile, Node


class BootProfileFilters(Filters):
    """What the list of boot profiles can be asked."""


def _visible(request: HttpRequest) -> QuerySet[BootProfile]:
    operator(request)
    return BootProfile.objects.prefetch_related(Prefetch("nodes", Node.objects.kept()))


def _show(rows: Sequence[BootProfile]) -> list[answers.BootProfile]:
    return [answers.BootProfile.of(row) for row in rows]


router = Router(tags=["boot-profiles"])
offer(
    router,
    Resource(BOOT_PROFILE, BootProfileFilters, answers.BootProfile, _visible, _show),
)
