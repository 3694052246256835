"""The life of a job on the database, as several workers and clients push it."""

import threading
from datetime import timedelta
from functools import wraps

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from compute_wps import delivery, jobs, retention
from compute_wps.history import Said
from compute_wps.models import Job, Message, Outbox, Output, State, Status

pytestmark = pytest.mark.database


@pytest.fixture
def claimed(job):
    return jobs.claim(job.id, "w1")


def reap() -> int:
    """Take every running job from its worker, as one that has fallen silent."""
    return sum(jobs.reap(job) for job in jobs.running())


def lose(job: Job) -> None:
    """Let the lease of a job run out."""
    Job.objects.filter(pk=job.pk).update(lease_expires=timezone.now() - timedelta(seconds=1))


def key(job: Job) -> tuple:
    return job.id, job.worker, job.attempt


def failure(job: Job) -> bool:
    return jobs.fail(*key(job), code="NoApplicableCode", locator=None, text="no")


def test_an_accepted_job_waits_with_its_message_and_outbox(job):
    assert (job.status, job.percent, job.attempt) == (State.ACCEPTED, 0, 0)
    assert Outbox.objects.get().job == job
    assert Message.objects.get().status.status == State.ACCEPTED


def test_a_job_is_accepted_although_the_database_goes_before_it_is_sent(
    transactional_db, accept, monkeypatch, caplog
):
    @wraps(delivery.deliver)
    def away(job_id, queue):
        raise OperationalError("connection lost")

    monkeypatch.setattr(delivery, "deliver", away)
    assert accept().status == State.ACCEPTED
    assert Outbox.objects.get().due > timezone.now()
    assert "connection lost" in caplog.text


def test_a_claimed_job_is_its_workers(claimed):
    assert (claimed.status, claimed.worker, claimed.attempt) == (State.STARTED, "w1", 1)
    assert claimed.lease_expires > timezone.now()
    assert not Outbox.objects.exists()


def test_a_second_delivery_finds_nothing_to_claim(claimed):
    assert jobs.claim(claimed.id, "w2") is None
    assert jobs.claim(claimed.id, "w1") is None
    claimed.refresh_from_db()
    assert (claimed.worker, claimed.attempt) == ("w1", 1)


def test_of_many_workers_one_claims(job):
    workers = 8
    gate = threading.Barrier(workers)
    won = []

    def claim(name: str) -> None:
        gate.wait()
        if jobs.claim(job.id, name):
            won.append(name)
        connection.close()

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    job.refresh_from_db()
    assert won == [job.worker]
    assert job.attempt == 1


def test_a_heartbeat_extends_the_lease_of_its_holder_only(claimed):
    assert jobs.heartbeat(*key(claimed))
    before = claimed.lease_expires
    claimed.refresh_from_db()
    assert claimed.lease_expires > before
    assert not jobs.heartbeat(claimed.id, "w2", 1)
    assert not jobs.heartbeat(claimed.id, "w1", 2)


def test_percent_never_falls(claimed):
    for percent, message in ((40, "reading"), (20, "slower"), (60, "writing")):
        assert jobs.report(*key(claimed), [Said(percent, message)])
    said = Message.objects.filter(status__status=State.STARTED).values_list("percent", "message")
    assert list(said) == [(0, "started"), (40, "reading"), (40, "slower"), (60, "writing")]


def test_what_is_not_new_is_not_said_again(claimed):
    assert jobs.report(*key(claimed), [Said(40, "reading")])
    assert not jobs.report(*key(claimed), [Said(40, "reading"), Said(30, "reading")])
    assert Message.objects.filter(message="reading").count() == 1


def test_what_is_said_at_once_is_recorded_in_order_with_its_times(claimed):
    times = [claimed.started + timedelta(seconds=number) for number in (-1, 1, 2)]
    texts = ("reading", "resumed", "reading")
    said = [Said(10, text, when) for text, when in zip(texts, times, strict=True)]
    assert jobs.report(*key(claimed), said)
    claimed.refresh_from_db()
    assert (claimed.percent, claimed.message, claimed.updated) == (10, "reading", times[-1])
    found = Message.objects.filter(status__status=State.STARTED).values_list("message", "created")
    expected = zip(("started", *texts), (claimed.started, claimed.started, *times[1:]), strict=True)
    assert list(found) == list(expected)


def test_another_workers_report_changes_nothing(claimed):
    assert not jobs.report(claimed.id, "w2", 1, [Said(50, "mine")])
    claimed.refresh_from_db()
    assert claimed.percent == 0


def test_success_keeps_the_outputs(claimed):
    output = Output(identifier="output", kind=Output.Kind.FILE, path="a/b.nc", size=10)
    assert jobs.succeed(*key(claimed), [output])
    claimed.refresh_from_db()
    assert (claimed.status, claimed.percent) == (State.SUCCEEDED, 100)
    assert claimed.outputs.get().size == 10
    assert claimed.expires > timezone.now()


def test_failure_keeps_what_to_tell_even_what_a_database_cannot_hold(claimed):
    assert jobs.fail(
        *key(claimed), code="InvalidParameterValue", locator="domain", text="no\0 \ud800 lat"
    )
    claimed.refresh_from_db()
    assert claimed.status == State.FAILED
    assert (claimed.error_code, claimed.error_locator) == ("InvalidParameterValue", "domain")
    assert claimed.error_text == "no ? lat"


@pytest.mark.parametrize("close", [lambda job: jobs.succeed(*key(job), []), failure])
def test_an_ended_job_does_not_end_again(claimed, close):
    assert close(claimed)
    assert not jobs.succeed(*key(claimed), [])
    assert not failure(claimed)
    assert not jobs.release(*key(claimed))
    assert jobs.claim(claimed.id, "w2") is None


def test_a_lost_worker_cannot_close_the_next_attempt(claimed):
    lose(claimed)
    assert reap() == 1
    again = jobs.claim(claimed.id, "w2")
    assert again.attempt == 2
    assert not jobs.heartbeat(*key(claimed))
    assert not jobs.succeed(*key(claimed), [Output(identifier="output")])
    assert not failure(claimed)
    assert not Output.objects.exists()
    assert jobs.succeed(*key(again), [])


def test_a_lost_job_waits_again_and_says_so(claimed):
    jobs.report(*key(claimed), [Said(30, "reading")])
    lose(claimed)
    reap()
    claimed.refresh_from_db()
    assert (claimed.status, claimed.worker, claimed.attempt) == (State.ACCEPTED, "", 1)
    assert "lost in attempt 1" in claimed.message
    assert Outbox.objects.get().job == claimed
    assert Status.objects.filter(status=State.ACCEPTED).count() == 1


def test_reaping_twice_changes_nothing(claimed):
    lose(claimed)
    assert reap() == 1
    assert reap() == 0
    assert Outbox.objects.count() == 1


def test_a_job_whose_lease_has_moved_is_not_taken(claimed):
    silent = jobs.running().get()
    assert jobs.heartbeat(*key(claimed))
    assert not jobs.reap(silent)


def test_a_worker_that_is_back_in_time_takes_its_job_back(claimed):
    reap()
    assert jobs.retake(*key(claimed))
    assert jobs.heartbeat(*key(claimed))
    assert not Outbox.objects.exists()
    assert jobs.claim(claimed.id, "w2") is None
    assert Message.objects.filter(message="its worker is back in attempt 1").exists()


def test_a_worker_that_is_back_too_late_does_not_get_its_job(claimed):
    reap()
    jobs.claim(claimed.id, "w2")
    assert not jobs.retake(*key(claimed))


def test_a_worker_gets_no_job_back_that_has_been_tried_again_and_waits(claimed):
    assert reap() == 1
    again = jobs.claim(claimed.id, "w2")
    jobs.release(*key(again))
    assert not jobs.retake(*key(claimed))
    assert Job.objects.get().status == State.ACCEPTED
    assert jobs.retake(*key(again))


def test_jobs_handed_back_are_not_counted_as_lost(job, settings):
    for attempt in range(settings.COMPUTE.max_attempts + 1):
        assert jobs.release(*key(jobs.claim(job.id, f"w{attempt}")))
    job.refresh_from_db()
    assert (job.status, job.lost) == (State.ACCEPTED, 0)


def test_too_many_lost_workers_fail_the_job(job, settings):
    for attempt in range(settings.COMPUTE.max_attempts):
        lose(jobs.claim(job.id, f"w{attempt}"))
        reap()
    job.refresh_from_db()
    assert job.status == State.FAILED
    assert "3 workers were lost" in job.error_text
    assert job.lost == settings.COMPUTE.max_attempts
    assert not Outbox.objects.exists()


def test_a_released_job_waits_for_another_worker(claimed):
    assert jobs.release(*key(claimed))
    assert not jobs.heartbeat(*key(claimed))
    assert jobs.claim(claimed.id, "w2").attempt == 2


def test_a_waiting_job_is_dismissed(job):
    assert jobs.dismiss(job.id)
    assert jobs.claim(job.id, "w1") is None
    assert not Outbox.objects.exists()
    assert not jobs.dismiss(job.id)


def test_a_running_job_is_dismissed_under_its_worker(claimed):
    assert jobs.dismiss(claimed.id)
    assert not jobs.holds(*key(claimed))
    assert not jobs.succeed(*key(claimed), [])
    claimed.refresh_from_db()
    assert claimed.status == State.DISMISSED


def test_a_finished_job_is_dismissed_with_its_outputs(claimed):
    jobs.succeed(*key(claimed), [Output(identifier="output", kind=Output.Kind.FILE)])
    assert jobs.dismiss(claimed.id)
    assert not Output.objects.exists()


def test_files_fall_due_after_the_retention(claimed):
    jobs.succeed(*key(claimed), [Output(identifier="output", kind=Output.Kind.FILE)])
    assert not retention.purgeable()
    assert not retention.purged(claimed.id)
    Job.objects.update(expires=timezone.now())
    assert [job.id for job in retention.purgeable()] == [claimed.id]
    assert retention.purged(claimed.id)
    assert not retention.purged(claimed.id)
    assert not retention.purgeable()
    assert not Output.objects.exists()


def test_the_files_of_a_dismissed_job_are_due_at_once(job):
    jobs.dismiss(job.id)
    assert [due.id for due in retention.purgeable()] == [job.id]


def test_each_change_is_one_line_with_its_ids(job, caplog):
    with caplog.at_level("INFO", logger="compute_wps.history"):
        jobs.claim(job.id, "w1")
    (line,) = caplog.records
    assert line.msg["event"] == "job started"
    assert (line.msg["job"], line.msg["worker"]) == (str(job.id), "w1")
