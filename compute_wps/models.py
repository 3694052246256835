"""What the service remembers: jobs, how they went, what they left, and what is still to be sent.

Rows change only through the functions of `jobs`.
"""

import uuid

from django.db import models
from django.utils import timezone


class State(models.TextChoices):
    """Where a job stands."""

    ACCEPTED = "accepted"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DISMISSED = "dismissed"


ACTIVE = (State.ACCEPTED, State.STARTED)
FINISHED = (State.SUCCEEDED, State.FAILED)


class Job(models.Model):
    """One accepted Execute.

    `owner` has the results, `account` is whom limits and turns count for. `turn` and `rank` say
    when the job is next in its `queue`, see `fairness`. `document` is the Execute as it is run,
    with referenced inputs filled in. `base_url` is the address the client reached the service at.
    Jobs of the same `identity` have the same results; with `reuse` the job takes those of another,
    and `linked` tells that it did.
    `input_bytes` is what it reads, as numbers in memory, None until its files have been opened.
    `worker`, `attempt` and `lease_expires` say who runs the job and until when that holds without a
    sign of life, `lost` how many workers died of it, `ran` for how many seconds workers have run it
    in all attempts, by their own clocks. `retention_days` is how long its owner wants
    the results kept, None for as long as the service does; `expires` is when its files are to be
    removed, `purged` when they were.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.CharField(max_length=150, default="anonymous")
    account = models.CharField(max_length=255, default="anonymous")
    identifier = models.CharField(max_length=255)
    status = models.CharField(max_length=10, choices=State.choices, default=State.ACCEPTED)
    document = models.TextField()
    queue = models.CharField(max_length=64)
    turn = models.FloatField(default=0)
    rank = models.FloatField(default=0)
    base_url = models.CharField(max_length=2000)
    request_id = models.CharField(max_length=64, blank=True)
    reuse = models.BooleanField(default=True)
    identity = models.CharField(max_length=64, blank=True)
    linked = models.BooleanField(default=False)
    input_bytes = models.PositiveBigIntegerField(null=True)

    percent = models.PositiveSmallIntegerField(default=0)
    message = models.TextField(blank=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    lost = models.PositiveSmallIntegerField(default=0)
    ran = models.FloatField(default=0)
    worker = models.CharField(max_length=255, blank=True)
    lease_expires = models.DateTimeField(null=True)

    accepted = models.DateTimeField()
    updated = models.DateTimeField()
    started = models.DateTimeField(null=True)
    finished = models.DateTimeField(null=True)
    retention_days = models.FloatField(null=True)
    expires = models.DateTimeField(null=True)
    purged = models.DateTimeField(null=True)

    error_code = models.CharField(max_length=64, blank=True)
    error_locator = models.TextField(blank=True)
    error_text = models.TextField(blank=True)

    class Meta:
        """Indexes for the list of jobs and for the searches that workers and limits need."""

        ordering = ["-accepted", "-id"]
        indexes = [
            models.Index(fields=["-accepted", "-id"], name="job_newest"),
            models.Index(
                fields=["lease_expires"],
                name="job_lease",
                condition=models.Q(status=State.STARTED),
            ),
            models.Index(
                fields=["queue", "rank", "id"],
                name="job_line",
                condition=models.Q(status=State.ACCEPTED),
            ),
            models.Index(fields=["account", "status", "queue", "turn"], name="job_account"),
            models.Index(fields=["queue", "status", "turn"], name="job_turn"),
            models.Index(fields=["identity", "status"], name="job_identity"),
            models.Index(
                fields=["identifier", "-finished"],
                name="job_recent",
                condition=models.Q(status=State.SUCCEEDED),
            ),
            models.Index(
                fields=["expires"], name="job_expiry", condition=models.Q(purged__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.identifier} {self.id}"

    @property
    def expired(self) -> bool:
        """Whether the time the results are kept is over; removing them may take a moment."""
        return bool(self.purged or (self.expires and self.expires <= timezone.now()))

    @property
    def folder(self) -> str:
        """The job's folder, relative to the folder of results."""
        return f"{self.owner}/{self.id}"


class Status(models.Model):
    """One state a job has been in."""

    job = models.ForeignKey(Job, models.CASCADE, related_name="statuses")
    status = models.CharField(max_length=10, choices=State.choices)
    created = models.DateTimeField()
    updated = models.DateTimeField()

    class Meta:
        """A job has one row per state, however often it enters it."""

        ordering = ["created", "id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "status"], name="one_status_per_state")
        ]

    def __str__(self) -> str:
        return f"{self.status} of {self.job_id}"


class Message(models.Model):
    """What was said while a job was in a state, with its progress in percent."""

    status = models.ForeignKey(Status, models.CASCADE, related_name="messages")
    message = models.TextField(blank=True)
    percent = models.PositiveSmallIntegerField()
    created = models.DateTimeField()

    class Meta:
        """In the order they were said."""

        ordering = ["created", "id"]

    def __str__(self) -> str:
        return f"{self.percent} % {self.message}"


class Output(models.Model):
    """One thing a job left.

    `identifier` is the output of the process. A file has its `path` in the folder of results and
    its `size` in bytes, anything else a `value`: the text itself, or the address of a reference.
    `name` is `<variable>|<operation>-<process>` for the files of a workflow.
    """

    class Kind(models.TextChoices):
        """What the output is."""

        FILE = "file"
        LITERAL = "literal"
        COMPLEX = "complex"
        REFERENCE = "reference"

    job = models.ForeignKey(Job, models.CASCADE, related_name="outputs")
    identifier = models.CharField(max_length=255)
    kind = models.CharField(max_length=9, choices=Kind.choices)
    name = models.TextField(blank=True)
    path = models.TextField(blank=True)
    size = models.PositiveBigIntegerField(default=0)
    value = models.TextField(blank=True)
    mime_type = models.CharField(max_length=255, blank=True)
    encoding = models.CharField(max_length=255, blank=True)
    schema = models.TextField(blank=True)
    data_type = models.CharField(max_length=255, blank=True)
    uom = models.CharField(max_length=255, blank=True)

    class Meta:
        """In the order they were written."""

        ordering = ["id"]

    def __str__(self) -> str:
        return self.path or self.identifier


class Gate(models.Model):
    """One row that is locked while a job is let in or started, so that limits hold exactly."""

    def __str__(self) -> str:
        return "the gate"


class Outbox(models.Model):
    """A job whose id must reach its queue; the row stays until a worker has claimed the job.

    `due` is when the id is to be sent (again), `sends` how often it was.
    """

    job = models.OneToOneField(Job, models.CASCADE, related_name="outbox")
    created = models.DateTimeField()
    due = models.DateTimeField(db_index=True)
    sends = models.PositiveIntegerField(default=0)

    class Meta:
        """An outbox has no plural."""

        verbose_name_plural = "outbox"

    def __str__(self) -> str:
        return f"job {self.job_id}, sent {self.sends} times"
