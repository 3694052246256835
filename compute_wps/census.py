"""What is asked of all jobs whenever one is accepted, started or shown, in written-out statements.

The object-relational mapper takes many times as long to put such a query together as the database
to answer it from its indexes, and whoever wants a job accepted or started waits for that.
"""

from dataclasses import dataclass
from uuid import UUID

from django.db import connection

from compute_wps.models import Job

_ACCOUNT = """
SELECT
    (SELECT COUNT(*) FROM compute_wps_job
        WHERE account = %(account)s AND status = 'accepted'),
    (SELECT COALESCE(SUM(size), 0) FROM compute_wps_output
        JOIN compute_wps_job ON compute_wps_job.id = compute_wps_output.job_id
        WHERE account = %(account)s AND status = 'succeeded'),
    (SELECT MAX(turn) FROM compute_wps_job
        WHERE account = %(account)s AND status IN ('accepted', 'started') AND queue = %(queue)s),
    (SELECT MAX(turn) FROM compute_wps_job WHERE queue = %(queue)s AND status = 'started'),
    (SELECT MIN(turn) FROM compute_wps_job WHERE queue = %(queue)s AND status = 'accepted')
"""

_LINE = """
SELECT
    (SELECT COUNT(*) FROM compute_wps_job
        WHERE queue = %(queue)s AND status = 'accepted' AND (rank, id) < (%(rank)s, %(id)s)),
    (SELECT COUNT(*) FROM compute_wps_job WHERE queue = %(queue)s AND status = 'accepted'),
    (SELECT COUNT(*) FROM compute_wps_job WHERE queue = %(queue)s AND status = 'started')
"""

_STARTABLE = """
FROM compute_wps_job AS waiting
WHERE queue = %(queue)s AND status = 'accepted'
    AND account NOT IN (
        SELECT account FROM compute_wps_job
            WHERE status = 'started' GROUP BY account HAVING COUNT(*) >= %(allowed)s)
    AND NOT (reuse AND identity <> '' AND EXISTS (
        SELECT 1 FROM compute_wps_job AS twin
            WHERE twin.status = 'started' AND twin.identity = waiting.identity
            AND twin.owner = waiting.owner))
"""
_NEXT = f"SELECT id {_STARTABLE} ORDER BY rank, id LIMIT 1"
_BY_ACCOUNT = f"SELECT account, COUNT(*) {_STARTABLE} GROUP BY account"


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands, and where the turns of a queue are.

    `waiting` jobs of the account wait in all queues, and its results have `stored` bytes. `own` is
    the last turn of its active jobs in the queue; `started` is the last turn of all that run there,
    `next` the first of all that wait. Each of the three is None when there is no such job.
    """

    waiting: int
    stored: int
    own: float | None
    started: float | None
    next: float | None


@dataclass(frozen=True, slots=True)
class Line:
    """How many jobs of a queue wait before a given one, wait in all, and run."""

    ahead: int
    waiting: int
    running: int


def standing(account: str, queue: str) -> Standing:
    """Return how the account stands in the queue."""
    with connection.cursor() as cursor:
        cursor.execute(_ACCOUNT, {"account": account, "queue": queue})
        waiting, stored, *turns = cursor.fetchone()
    return Standing(waiting, int(stored), *turns)


def next_job(queue: str, allowed: int) -> UUID | None:
    """Return the waiting job of the lowest rank that may be started, None when there is none.

    Not to be started are those that an account with `allowed` running jobs or a running twin holds
    up.
    """
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, {"queue": queue, "allowed": allowed})
        found = cursor.fetchone()
    return UUID(str(found[0])) if found else None


def startable(queue: str, allowed: int) -> dict[str, int]:
    """Return how many jobs of each account are not held up like that."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_ACCOUNT, {"queue": queue, "allowed": allowed})
        return dict(cursor.fetchall())


def line(job: Job) -> Line:
    """Return what the queue of a waiting job looks like from its place."""
    key = Job._meta.pk.get_db_prep_value(job.pk, connection)
    with connection.cursor() as cursor:
        cursor.execute(_LINE, {"queue": job.queue, "rank": job.rank, "id": key})
        return Line(*cursor.fetchone())
