"""Whose job is next, and what a waiting one says of it."""

import threading
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.db.models import F
from django.utils import timezone
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from compute_wps import census, delivery, documents, fairness, jobs, tasks
from compute_wps.identity import Caller
from compute_wps.models import ACTIVE, Job, State
from compute_wps.tests.schemas import find, validate

pytestmark = pytest.mark.database

ALICE, BOB, CAROL = (Caller(name, name) for name in ("alice", "bob", "carol"))


@pytest.fixture
def limit(settings):
    """Change settings for one test."""

    def change(**values):
        settings.COMPUTE = django_settings.COMPUTE.model_copy(update=values)

    return change


@pytest.fixture
def send(transactional_db, accept):
    """Accept one job for each caller named, in that order."""

    def send(*callers):
        return [accept(caller=caller) for caller in callers]

    return send


def start():
    """Start the next job and return it."""
    return jobs.claim_next(jobs.INGRESS, "w1")


def end(job):
    assert jobs.succeed(job.id, job.worker, job.attempt, [])


def served():
    """Start and end one job after the other; return the accounts in that order."""
    order = []
    while job := start():
        order.append(job.account)
        end(job)
    return order


def test_a_users_second_job_does_not_start_before_anothers_first(send):
    send(*[ALICE] * 4, *[BOB] * 2, CAROL)
    assert served() == ["alice", "bob", "carol", "alice", "bob", "alice", "alice"]


def test_who_comes_while_others_are_served_is_next(send):
    send(*[ALICE] * 10)
    first, second = start(), start()
    send(BOB)
    assert start().account == "bob"
    end(first)
    end(second)
    assert start().account == "alice"


def test_nobody_saves_turns_up_while_away(send):
    send(*[ALICE] * 6)
    for _ in range(3):
        end(start())
    send(*[BOB] * 3)
    order = served()
    assert sorted(order[:2]) == sorted(order[2:4]) == ["alice", "bob"]


def test_the_jobs_of_one_user_start_in_the_order_they_came(send):
    sent = [job.id for job in send(*[ALICE] * 5)]
    found = []
    while job := start():
        found.append(job.id)
        end(job)
    assert found == sent


@hypothesis_settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(st.sampled_from([ALICE, BOB, CAROL, None, None]), max_size=14))
def test_whoever_has_nothing_else_going_is_passed_by_nobody_twice(send, events):
    """None starts a job; each other account may start one job before such a newcomer, no more."""
    Job.objects.all().delete()
    passed: dict[str, list[str]] = {}
    for event in [*events, *[None] * len(events)]:
        if event:
            alone = not Job.objects.filter(account=event.account, status__in=ACTIVE).exists()
            send(event)
            if alone:
                passed[event.account] = []
        elif job := start():
            passed.pop(job.account, None)
            for others in passed.values():
                assert job.account not in others
                others.append(job.account)


def test_a_user_of_weight_two_has_two_turns(send, limit):
    limit(weights=("alice=2", "anonymous=0.5"))
    send(*[ALICE] * 6, *[BOB] * 3)
    assert served()[:6].count("alice") == 4
    assert fairness.weight("anonymous@192.0.2.1") == 0.5
    assert fairness.weight("bob") == 1


def test_long_waiting_is_worth_a_turn(send, limit):
    limit(aging_hours=1.0)
    early, late = send(ALICE, ALICE)
    two_hours_ago = timezone.now() - timedelta(hours=2)
    Job.objects.filter(pk=late.pk).update(rank=fairness.rank(late.turn, two_hours_ago))
    Job.objects.filter(pk=early.pk).delete()
    send(BOB)
    assert served() == ["alice", "bob"]


def test_no_more_jobs_of_a_user_run_than_may(send, limit):
    limit(running_jobs=2)
    send(*[ALICE] * 4, BOB)
    running = [start() for _ in range(3)]
    assert [job.account for job in running] == ["alice", "bob", "alice"]
    assert start() is None
    end(running[0])
    assert start().account == "alice"


def test_a_job_held_back_is_sent_again_when_another_ends(send, limit, monkeypatch):
    limit(running_jobs=1)
    _, held_back = send(ALICE, ALICE)
    running = start()
    sent = []
    monkeypatch.setattr(delivery, "resend", sent.append)
    end(running)
    assert sent == [held_back.id]


def test_one_twin_is_sent_again_when_a_job_ends_and_others_wait_for_that(send, monkeypatch):
    twins = send(*[ALICE] * 4)
    others = send(BOB, BOB)
    Job.objects.exclude(account="bob").update(identity="same", owner="x", account=F("id"))
    Job.objects.filter(pk=twins[3].pk).update(reuse=False)
    running = start()
    sent = []
    monkeypatch.setattr(delivery, "resend", sent.append)
    end(running)
    assert sent == [twins[1].id]
    assert others[0].id not in sent


def test_a_message_takes_the_next_job_of_its_queue(send, monkeypatch):
    first, second = send(ALICE, ALICE)
    tasks.run_job(str(second.id))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, second.status) == (State.SUCCEEDED, State.ACCEPTED)


def test_a_message_of_a_dismissed_job_serves_another(send):
    gone, waiting = send(ALICE, BOB)
    jobs.dismiss(gone.id)
    assert jobs.take(gone.id, "w1").id == waiting.id


def test_queues_do_not_mix(send):
    (job,) = send(ALICE)
    Job.objects.update(queue=jobs.DEFAULT)
    assert start() is None
    assert jobs.take(job.id, "w1").id == job.id


def test_a_waiting_job_says_its_place(send):
    first, second, third = send(ALICE, ALICE, BOB)
    assert fairness.message(second).endswith("number 3 of 3 in the queue, 0 running")
    start()
    assert fairness.message(third).endswith("number 1 of 2 in the queue, 1 running")
    first.refresh_from_db()
    assert fairness.message(first) == "started"


def test_the_wait_is_told_from_the_median_of_the_last_jobs(send):
    for seconds in (10, 60, 3000):
        send(ALICE)
        job = start()
        Job.objects.filter(pk=job.pk).update(started=timezone.now() - timedelta(seconds=seconds))
        end(job)
    _, second = send(BOB, BOB)
    start()
    assert fairness.message(second).endswith("1 running; it may start in about 60 seconds")
    (third,) = send(BOB)
    assert fairness.message(third).endswith("it may start in about 2 minutes")


def test_the_status_document_says_the_place(send, client):
    send(ALICE)
    (job,) = send(BOB)
    root = validate(documents.response(job))
    (text,) = find(root, "//wps:ProcessAccepted/text()")
    assert text == "waiting for a worker: number 2 of 2 in the queue, 0 running"


def test_the_next_job_is_found_by_an_index(send):
    send(*[ALICE] * 3)
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            asked = {"queue": jobs.INGRESS, "allowed": 8}
            cursor.execute(f"EXPLAIN QUERY PLAN {census._NEXT}", asked)
            steps = [detail for *_, detail in cursor.fetchall()]
        assert any("waiting USING INDEX job_line" in step for step in steps)
        assert not any("ORDER BY" in step for step in steps)


def test_workers_that_look_at_the_same_moment_keep_the_limit(send, limit):
    limit(running_jobs=2)
    send(*[ALICE] * 6)
    gate, claimed = threading.Barrier(6), []

    def claim(name):
        gate.wait()
        claimed.append(jobs.claim_next(jobs.INGRESS, name))
        connection.close()

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([job for job in claimed if job]) == 2
