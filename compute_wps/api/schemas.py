"""The shapes of REST answers; the names of fields are those existing clients read."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Self
from uuid import UUID

import pywps
from django.conf import settings
from django.utils import timezone
from django.utils.duration import duration_string
from ninja import Schema
from pydantic import Field

from compute_wps import documents, models
from compute_wps.data.links import links
from compute_wps.submission import texts

SHOWN = {
    models.State.ACCEPTED: "ProcessAccepted",
    models.State.STARTED: "ProcessStarted",
    models.State.SUCCEEDED: "ProcessSucceeded",
    models.State.FAILED: "ProcessFailed",
    models.State.DISMISSED: "ProcessFailed",
}
"""The states as WPS names them."""


class Message(Schema):
    """Something said about a job, with its progress at the time in percent."""

    message: str
    percent: int
    created_date: datetime

    @classmethod
    def of(cls, row: models.Message) -> Self:
        """Show a row."""
        return cls(message=row.message, percent=row.percent, created_date=row.created)


class Status(Schema):
    """A state a job has been in and what was said meanwhile; `exception` is why it failed."""

    id: int
    status: str
    job: UUID
    created_date: datetime
    updated_date: datetime
    message: list[Message]
    exception: str | None = None

    @classmethod
    def of(cls, row: models.Status) -> Self:
        """Show a row."""
        failed = row.status == models.State.FAILED
        return cls(
            id=row.pk,
            status=SHOWN[models.State(row.status)],
            job=row.job_id,
            created_date=row.created,
            updated_date=row.updated,
            message=[Message.of(message) for message in row.messages.all()],
            exception=row.job.error_text if failed else None,
        )


class Output(Schema):
    """A file a job left."""

    id: int
    remote: str = Field(description="OPeNDAP address")
    size: float = Field(description="Size in MB (10^6 bytes)")

    @classmethod
    def of(cls, row: models.Output, base_url: str) -> Self:
        """Show a row; addresses begin with `base_url`."""
        address = links(base_url, row.path, settings.COMPUTE.thredds_url).opendap
        return cls(id=row.pk, remote=address, size=row.size / 1e6)


class Job(Schema):
    """An accepted Execute."""

    url: str
    id: UUID
    identifier: str
    status: str
    status_links: list[str]
    elapsed: str = Field(description="Time from acceptance to the end, or until now")
    accepted: datetime
    message: str = Field(description="What the job does, where it stands in the queue, or why not")
    expires: datetime | None = Field(description="When its results are removed; null until it ends")
    datainputs: str = Field(description="The inputs as a JSON object of texts")
    output: list[Output]

    @classmethod
    def of(cls, row: models.Job, base_url: str, message: str) -> Self:
        """Show a row; addresses begin with `base_url`, `message` is what there is to say."""
        api = f"{base_url}/wps/api"
        kept = [] if row.expired else row.outputs.all()
        files = [o for o in kept if o.kind == models.Output.Kind.FILE]
        return cls(
            url=f"{api}/job/{row.id}",
            id=row.id,
            identifier=row.identifier,
            status=SHOWN[models.State(row.status)],
            status_links=[f"{api}/status/{status.pk}" for status in row.statuses.all()],
            elapsed=duration_string((row.finished or timezone.now()) - row.accepted),
            accepted=row.accepted,
            message=message,
            expires=row.expires,
            datainputs=json.dumps(texts(documents.request_of(row))),
            output=[Output.of(file, base_url) for file in files],
        )


class Retention(Schema):
    """How long the results of a job are to be kept."""

    retention_days: float = Field(description="Days from the end of the job")


class Jobs(Schema):
    """A page of jobs, the newest first, and the addresses of its neighbours."""

    count: int
    next: str | None
    previous: str | None
    results: list[Job]


class Process(Schema):
    """A process on offer; its full description is WPS DescribeProcess."""

    identifier: str
    title: str
    abstract: str
    version: str

    @classmethod
    def of(cls, process: pywps.Process) -> Self:
        """Show a declaration."""
        return cls(
            identifier=process.identifier,
            title=process.title,
            abstract=process.abstract,
            version=process.version or "",
        )


class Processes(Schema):
    """Everything on offer."""

    count: int
    results: Sequence[Process]


class Problem(Schema):
    """Why a request was refused."""

    detail: str
