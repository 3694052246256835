"""Getting job ids to the workers, with the outbox as memory and the broker as messenger."""

from datetime import timedelta
from functools import cache
from uuid import UUID

import structlog
from celery import Celery
from django.conf import settings
from django.db.models import Count, F
from django.utils import timezone
from django.utils.module_loading import import_string
from kombu.entity import Queue
from kombu.exceptions import ChannelError, OperationalError

from compute_wps import fairness
from compute_wps.models import Job, Outbox

RUN_JOB = "compute_wps.tasks.run_job"
RESEND = timedelta(minutes=1)
LONGEST_RESEND = timedelta(hours=1)
BROKER_SECONDS = 2.0
REPLENISHED = 50
"""Messages sent at a time for those a queue has lost, at most."""

logger = structlog.get_logger(__name__)


@cache
def app() -> Celery:
    """Return the Celery application named in the settings."""
    return import_string(settings.CELERY_APP)


def post(job: Job) -> None:
    """Note that the job's id must reach its queue; call it in the transaction that makes it so.

    The id counts as sent already, since `deliver` follows the transaction at once. One that dies in
    between leaves what a broker does that loses a message: `replenish` sends it again.
    """
    now = timezone.now()
    Outbox.objects.bulk_create(
        [Outbox(job=job, created=now, due=now + RESEND, sends=1)],
        update_conflicts=True,
        unique_fields=["job"],
        update_fields=["created", "due", "sends"],
    )


def deliver(job_id: UUID, queue: str) -> bool:
    """Send the id of a job just posted and return whether the broker took it.

    Whatever keeps it from being sent makes it due for the next sweep.
    """
    sent = False
    try:
        sent = _send(job_id, queue)
    finally:
        if not sent:
            entry = Outbox.objects.filter(job_id=job_id)
            entry.update(due=timezone.now(), sends=F("sends") - 1)
    return sent


def resend(job_id: UUID) -> bool:
    """Send the id of one job again and return whether the broker took it.

    A message may get lost behind the broker, so the entry falls due again, each time later.
    """
    entry = Outbox.objects.select_related("job").filter(job_id=job_id).first()
    if entry is None or not _send(job_id, entry.job.queue):
        return False
    pause = min(RESEND * 2 ** min(entry.sends, 10), LONGEST_RESEND)
    Outbox.objects.filter(pk=entry.pk).update(due=timezone.now() + pause, sends=F("sends") + 1)
    return True


def _send(job_id: UUID, queue: str) -> bool:
    try:
        app().send_task(RUN_JOB, (str(job_id),), queue=queue, retry=False)
    except OperationalError as error:
        logger.warning("job not sent", job=str(job_id), reason=str(error))
        return False
    return True


def sweep() -> int:
    """Send every id that is due and return how many went; stop at the first the broker refuses."""
    due = Outbox.objects.filter(due__lte=timezone.now()).order_by("due")
    sent = 0
    for job_id in due.values_list("job_id", flat=True):
        if not resend(job_id):
            break
        sent += 1
    return sent


def replenish() -> int:
    """Send again what the broker has lost, and return how many went.

    A queue with fewer messages than jobs that may be started has lost some: the broker was emptied,
    or a worker died between taking a message and claiming a job. A message too many harms nothing.
    """
    sent = Outbox.objects.filter(sends__gt=0).order_by("due")
    counts = sent.order_by().values_list("job__queue").annotate(Count("pk"))
    again = 0
    for queue, waiting in counts:
        held = _held(queue)
        if held is None:
            break
        missing = min(min(waiting, fairness.startable(queue)) - held, REPLENISHED)
        if missing > 0:
            lost = sent.filter(job__queue=queue).values_list("job_id", flat=True)[:missing]
            again += sum(resend(job_id) for job_id in list(lost))
    return again


def _held(queue: str) -> int | None:
    """Return how many messages the broker holds for a queue; None when it does not answer."""
    try:
        with app().connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
            declared = Queue(queue, channel=connection.default_channel).queue_declare(passive=True)
            return int(declared.message_count)
    except ChannelError:
        # A queue without messages is not there at all.
        return 0
    except (OperationalError, OSError) as error:
        logger.warning("queue not counted", queue=queue, reason=str(error))
        return None
