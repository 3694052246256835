"""The life of jobs under any order of events, with several workers and messages sent too often."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone
from hypothesis import HealthCheck, strategies
from hypothesis import settings as profile
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from compute_wps import jobs, upkeep
from compute_wps.history import Said
from compute_wps.models import ACTIVE, FINISHED, Job, Message, Outbox, Output, State, Status

pytestmark = pytest.mark.database

WORKERS = strategies.sampled_from(["w1", "w2", "w3"])
ENDED = (*FINISHED, State.DISMISSED)


class Clock:
    """What both the database's dates and the reaper go by."""

    started = timezone.now()
    seconds = 0.0

    def now(self):
        return self.started + timedelta(seconds=self.seconds)


clock = Clock()


class Lives(RuleBasedStateMachine):
    """Clients, workers and upkeep acting on the database in whatever order hypothesis likes."""

    accepted = Bundle("accepted")
    claims = Bundle("claims")

    def __init__(self):
        super().__init__()
        Job.objects.all().delete()
        self.reaper = upkeep.Reaper(lambda: clock.seconds)
        self.known: set = set()
        self.ends: dict = {}
        self.percents: dict = {}

    @rule(target=accepted)
    def accept(self):
        job = jobs.accept(
            identifier="CDAT.mean",
            document="<a/>",
            queue=jobs.INGRESS,
            base_url="http://testserver",
        )
        self.known.add(job.id)
        return job.id

    @rule(target=claims, job=accepted, worker=WORKERS)
    def deliver(self, job, worker):
        """Deliver a message, perhaps not for the first time."""
        before = Job.objects.get(pk=job)
        claimed = jobs.claim(job, worker)
        assert (claimed is not None) == (before.status == State.ACCEPTED)
        if claimed is None:
            return multiple()
        assert claimed.attempt == before.attempt + 1
        return claimed

    @rule(target=claims, worker=WORKERS)
    def take_next(self, worker):
        claimed = jobs.claim_next(jobs.INGRESS, worker)
        waiting = Job.objects.filter(status=State.ACCEPTED).exists()
        assert claimed or not waiting
        return claimed or multiple()

    @rule(claim=claims)
    def heartbeat(self, claim):
        held = self.holds(claim)
        assert jobs.heartbeat(*key(claim)) == held
        assert jobs.holds(*key(claim)) == held

    @rule(claim=claims, percent=strategies.integers(0, 100))
    def report(self, claim, percent):
        held = self.holds(claim)
        assert jobs.report(*key(claim), [Said(percent, f"at {percent}")]) <= held

    @rule(claim=claims)
    def come_back(self, claim):
        """Let a worker ask again for the job it was thought to have left."""
        row = Job.objects.get(pk=claim.pk)
        waits = row.status == State.ACCEPTED and row.attempt == claim.attempt
        assert jobs.retake(*key(claim)) == waits
        assert self.holds(claim) or not waits

    @rule(claim=claims)
    def succeed(self, claim):
        held = self.holds(claim)
        output = Output(identifier="output", kind=Output.Kind.FILE, path=f"{claim.attempt}.nc")
        assert jobs.succeed(*key(claim), [output]) == held
        if held:
            self.end(claim.pk, State.SUCCEEDED)
            assert claim.outputs.get().path == f"{claim.attempt}.nc"

    @rule(claim=claims)
    def fail(self, claim):
        held = self.holds(claim)
        done = jobs.fail(*key(claim), code="NoApplicableCode", locator=None, text="no")
        assert done == held
        if held:
            self.end(claim.pk, State.FAILED)

    @rule(claim=claims)
    def hand_back(self, claim):
        held = self.holds(claim)
        assert jobs.release(*key(claim)) == held

    @rule(job=accepted)
    def dismiss(self, job):
        before = Job.objects.get(pk=job).status
        assert jobs.dismiss(job) == (before != State.DISMISSED)
        self.ends[job] = State.DISMISSED

    @rule(share=strategies.sampled_from([0.1, 0.4, 0.6, 1.0]))
    def time_passes(self, share):
        """Let part of a lease go by without a sign of life, then look after the jobs."""
        clock.seconds += share * settings.COMPUTE.lease_seconds
        before = {job.pk: job for job in jobs.running()}
        self.reaper.round()
        for job in Job.objects.filter(pk__in=before).exclude(status=State.STARTED):
            assert before[job.pk].lease_expires < timezone.now()
            assert job.lost == before[job.pk].lost + 1
            if job.status == State.FAILED:
                assert job.lost == settings.COMPUTE.max_attempts
                self.ends[job.pk] = State.FAILED

    @precondition(lambda self: self.known)
    @rule()
    def everybody_is_silent_for_two_leases(self):
        for _ in range(4):
            self.time_passes(0.6)
        assert not jobs.running().exists()

    @invariant()
    def nothing_is_lost(self):
        assert set(Job.objects.values_list("pk", flat=True)) == self.known

    @invariant()
    def an_end_is_final(self):
        ended = dict(Job.objects.filter(status__in=ENDED).values_list("pk", "status"))
        assert ended == self.ends

    @invariant()
    def who_waits_has_an_entry_and_nobody_else(self):
        waiting = set(Job.objects.filter(status=State.ACCEPTED).values_list("pk", flat=True))
        assert set(Outbox.objects.values_list("job_id", flat=True)) == waiting

    @invariant()
    def who_runs_has_one_worker_and_a_lease(self):
        for job in Job.objects.all():
            runs = job.status == State.STARTED
            assert bool(job.worker) == runs
            assert (job.lease_expires is not None) == runs
            assert (job.finished is not None) == (job.status in ENDED)

    @invariant()
    def only_who_succeeded_has_outputs(self):
        for job in Job.objects.all():
            assert job.outputs.count() == (job.status == State.SUCCEEDED)

    @invariant()
    def percents_never_fall(self):
        for pk, percent in Job.objects.values_list("pk", "percent"):
            assert percent >= self.percents.get(pk, 0)
            self.percents[pk] = percent

    @invariant()
    def the_history_ends_with_the_present(self):
        for job in Job.objects.all():
            said = Message.objects.filter(status__job=job).order_by("-created", "-id").first()
            assert said.message == job.message
            assert said.status.status == job.status
        assert Status.objects.filter(job__status__in=ACTIVE, status__in=ENDED).count() == 0

    def holds(self, claim):
        row = Job.objects.get(pk=claim.pk)
        return (row.status, row.worker, row.attempt) == (State.STARTED, *key(claim)[1:])

    def end(self, pk, state):
        assert pk not in self.ends
        self.ends[pk] = state


def key(claim):
    return claim.pk, claim.worker, claim.attempt


def test_any_order_of_events_keeps_every_promise(transactional_db, monkeypatch):
    monkeypatch.setattr(timezone, "now", clock.now)
    run_state_machine_as_test(
        Lives,
        settings=profile(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
