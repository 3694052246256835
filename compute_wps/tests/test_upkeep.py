"""What every worker does beside its work: lost workers, lost messages, what they leave behind."""

import os
import time
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from compute_wps import delivery, jobs, results, upkeep
from compute_wps.models import Job, Outbox, State
from compute_wps.tests.test_delivery import broker, waiting  # noqa: F401

pytestmark = pytest.mark.database


class Clock:
    """A monotonic clock that moves when told to."""

    now = 0.0

    def __call__(self):
        return self.now

    def pass_leases(self, count):
        self.now += count * settings.COMPUTE.lease_seconds


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def reaper(clock):
    return upkeep.Reaper(clock)


@pytest.fixture
def claimed(job):
    return jobs.claim(job.id, "w1")


def expire():
    Job.objects.update(lease_expires=timezone.now() - timedelta(seconds=1))


def key(job):
    return job.id, job.worker, job.attempt


def test_a_job_whose_worker_falls_silent_is_taken_within_two_leases(claimed, reaper, clock):
    assert reaper.round() == 0
    clock.pass_leases(1)
    expire()
    assert reaper.round() == 0
    clock.pass_leases(0.5)
    assert reaper.round() == 1
    claimed.refresh_from_db()
    assert (claimed.status, claimed.lost) == (State.ACCEPTED, 1)


def test_a_clock_that_jumps_ahead_costs_no_worker_its_job(claimed, reaper, clock):
    reaper.round()
    expire()
    for _ in range(4):
        assert reaper.round() == 0
        clock.pass_leases(1 / 3)
        assert jobs.heartbeat(*key(claimed))
        expire()


def test_a_clock_that_was_set_back_keeps_no_lost_worker_its_job(claimed, reaper, clock):
    Job.objects.update(lease_expires=timezone.now() + timedelta(days=1))
    reaper.round()
    clock.pass_leases(0.9)
    assert reaper.round() == 0
    clock.pass_leases(0.2)
    assert reaper.round() == 1


def test_a_database_that_was_away_costs_no_worker_its_job(claimed, reaper, clock, monkeypatch):
    def away():
        raise OperationalError("connection lost")

    reaper.round()
    with monkeypatch.context() as patched:
        patched.setattr(jobs, "running", away)
        clock.pass_leases(2)
        with pytest.raises(OperationalError):
            reaper.round()
    expire()
    assert reaper.round() == 0
    assert jobs.heartbeat(*key(claimed))
    clock.pass_leases(0.6)
    assert reaper.round() == 0


def test_a_job_given_up_after_too_many_lost_workers_leaves_no_files(job, reaper, clock):
    Job.objects.update(lost=settings.COMPUTE.max_attempts - 1)
    claimed = jobs.claim(job.id, "w1")
    (results.folder(claimed) / "half").mkdir(parents=True)
    reaper.round()
    clock.pass_leases(1.1)
    assert reaper.round() == 1
    claimed.refresh_from_db()
    assert claimed.status == State.FAILED
    assert "3 workers were lost" in claimed.error_text
    assert not results.folder(claimed).exists()


@pytest.fixture
def part(claimed):
    """A part that the job's attempt has left."""
    path = results.workspace(claimed) / "parts" / "one.part"
    path.parent.mkdir(parents=True)
    path.touch()
    return path


@pytest.mark.parametrize("end", [jobs.dismiss, lambda job_id: jobs.succeed(job_id, "w1", 1, [])])
def test_workspaces_of_ended_jobs_are_removed_and_those_of_running_ones_kept(claimed, part, end):
    upkeep.maintain()
    assert part.exists()
    assert end(claimed.id)
    upkeep.maintain()
    assert not results.workspace(claimed).exists()


def test_the_workspace_of_a_job_that_lost_its_worker_is_kept(claimed, part):
    assert jobs.reap(claimed)
    upkeep.maintain()
    assert part.exists()


def test_the_workspace_of_a_job_that_waits_for_ages_is_removed(claimed, part):
    jobs.release(*key(claimed))
    upkeep.maintain()
    assert part.exists()
    ages_ago = time.time() - 86_401 * settings.COMPUTE.retention_days
    for path in (part, part.parent, results.workspace(claimed)):
        os.utime(path, (ages_ago, ages_ago))
    upkeep.maintain()
    assert not results.workspace(claimed).exists()


def test_the_workspace_of_a_job_that_runs_for_ages_is_kept(claimed, part):
    for path in (part, part.parent, results.workspace(claimed)):
        os.utime(path, (0, 0))
    upkeep.maintain()
    assert part.exists()


def test_a_message_the_broker_has_lost_is_sent_again_at_once(
    broker,  # noqa: F811
    transactional_db,
    accept,
):
    job = accept()
    assert delivery.replenish() == 0
    broker.delete(jobs.INGRESS)
    assert delivery.replenish() == 1
    assert waiting(broker) == [str(job.id)]


def test_a_job_whose_web_died_before_it_was_sent_is_sent_at_once(
    broker,  # noqa: F811
    transactional_db,
    accept,
    monkeypatch,
):
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "deliver", lambda job_id, queue: None)
        job = accept()
    upkeep.maintain()
    assert waiting(broker) == [str(job.id)]


def test_only_as_many_messages_are_sent_again_as_are_missing(
    broker,  # noqa: F811
    transactional_db,
    accept,
):
    for _ in range(3):
        accept()
    broker.rpop(jobs.INGRESS)
    assert delivery.replenish() == 1
    assert len(waiting(broker)) == 3
    assert Outbox.objects.count() == 3


def test_nothing_is_sent_for_jobs_that_wait_for_others_of_their_account(
    broker,  # noqa: F811
    transactional_db,
    accept,
    monkeypatch,
):
    few = settings.COMPUTE.model_copy(update={"running_jobs": 2})
    monkeypatch.setattr(settings, "COMPUTE", few)
    sent = [accept() for _ in range(5)]
    jobs.claim(sent[0].id, "w1")
    broker.delete(jobs.INGRESS)
    assert delivery.replenish() == 1
    jobs.claim(sent[1].id, "w2")
    broker.delete(jobs.INGRESS)
    assert delivery.replenish() == 0
    jobs.dismiss(sent[0].id)
    assert len(waiting(broker)) == 1
