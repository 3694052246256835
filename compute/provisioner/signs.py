"""What a node changes of its own record: signs of life, the jobs it runs, that it was told to end.

Each is a conditional update: a node whose record has ended stays ended.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from compute.provisioner import events, nodes
from compute.provisioner.models import PRESENT, Node, NodeJob, NodeState, Target
from compute_wps.models import Job, State

ACTOR = "node"
COMING = (NodeState.REQUESTED, NodeState.STARTING)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a node needs to know of its record."""

    draining: bool
    heartbeat_seconds: float


def standing(name: str) -> Standing | None:
    """Return how the node stands; None when its record has ended or is not there."""
    row = _there(name).values_list("state", "target", "pool__heartbeat_seconds").first()
    if row is None:
        return None
    draining = row[0] == NodeState.DRAINING or row[1] == Target.STOPPED
    return Standing(draining, row[2] or 10.0)


def beat(name: str) -> bool:
    """Give a sign of life; the first one makes the node ready."""
    now = timezone.now()
    first = {
        "state": NodeState.READY,
        "ready_at": now,
        "idle_since": now,
        "started": Coalesce("started", Value(now)),
        "heartbeat": now,
    }
    with transaction.atomic():
        if _there(name).filter(state__in=COMING).update(**first):
            events.of_node(_there(name).get(), "ready", "", ACTOR)
            return True
        for row in NodeJob.objects.filter(node__in=_there(name), ended__isnull=True):
            if not Job.objects.filter(
                pk=row.job, attempt=row.attempt, status=State.STARTED
            ).exists():
                # The process that ran it died, or could not say that it is done.
                finish(row)
        return bool(_there(name).update(heartbeat=now))


def interrupted(name: str) -> bool:
    """Note that the node was told to end by somebody who is not us: it takes no more jobs."""
    now = timezone.now()
    unasked = _there(name).filter(target=Target.RUNNING)
    with transaction.atomic():
        changed = unasked.update(
            state=NodeState.DRAINING,
            target=Target.STOPPED,
            interrupted=True,
            drain_deadline=Coalesce("drain_deadline", Value(now)),
            reason="told to end",
        )
        if changed:
            node = _there(name).select_related("pool").get()
            events.of_node(node, "interrupted", "it was told to end", ACTOR, warning=True)
            nodes.replace(node)
    return bool(changed)


def begin(name: str, job: Job) -> NodeJob | None:
    """Note that the node works on a job; None when it has no record."""
    with transaction.atomic():
        node = _there(name).first()
        if node is None:
            return None
        _there(name).update(idle_since=None)
        return NodeJob.objects.create(
            node=node, job=job.id, attempt=job.attempt, owner=job.owner, started=timezone.now()
        )


def finish(row: NodeJob) -> None:
    """Note that the node works on the job no more."""
    now = timezone.now()
    with transaction.atomic():
        NodeJob.objects.filter(pk=row.pk, ended__isnull=True).update(ended=now)
        rest = NodeJob.objects.filter(node=row.node_id, ended__isnull=True)
        if not rest.exists():
            Node.objects.filter(pk=row.node_id).update(idle_since=now)


def _there(name: str) -> QuerySet[Node]:
    return Node.objects.filter(name=name, state__in=PRESENT)
