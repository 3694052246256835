"""What is asked of the nodes: the jobs that wait and may start."""

from collections import Counter, defaultdict

from django.conf import settings
from django.db.models import Count

from compute.provisioner.picture import Demand
from compute_wps.models import Job, State


def present() -> Demand:
    """Return the jobs that would start if there were nodes enough.

    Jobs beyond what their account may run at once are left out: no node could take them.
    """
    running = _running()
    waiting: dict[str, list[int | None]] = defaultdict(list)
    accepted = Job.objects.filter(status=State.ACCEPTED).order_by("rank", "id")
    rows = accepted.values_list("queue", "account", "input_bytes")
    for queue, account, size in rows.iterator(chunk_size=2000):
        if running[account] < settings.COMPUTE.running_jobs:
            running[account] += 1
            waiting[queue].append(size)
    return Demand(dict(waiting))


def _running() -> Counter[str]:
    started = Job.objects.filter(status=State.STARTED).order_by().values_list("account")
    return Counter(dict(started.annotate(Count("pk"))))
