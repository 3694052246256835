"""Ids on their way to a real Redis, and what happens when there is none."""

import base64
import json
import socket
from datetime import timedelta

import pytest
import redis
from celery import Celery
from django.utils import timezone

from compute_wps import delivery, jobs
from compute_wps.models import Outbox

SETTINGS = delivery.app()

pytestmark = pytest.mark.database


def celery(url: str) -> Celery:
    app = Celery("test", broker=url, set_as_current=False)
    app.conf.broker_transport_options = SETTINGS.conf.broker_transport_options
    return app


@pytest.fixture
def broker(redis_url, monkeypatch):
    """The broker the service sends to, with empty queues."""
    app = celery(redis_url)
    monkeypatch.setattr(delivery, "app", lambda: app)
    with redis.Redis.from_url(redis_url) as client:
        client.delete("ingress", "default")
        yield client


def nowhere() -> Celery:
    """Return an application whose broker cannot be reached."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return celery(f"redis://127.0.0.1:{port}/0")


def waiting(broker: redis.Redis) -> list[str]:
    """Return the job ids in the ingress queue, the first sent first, taking them out."""
    messages = []
    while message := broker.rpop("ingress"):
        messages.append(json.loads(base64.b64decode(json.loads(message)["body"])))
    return [arguments[0] for arguments, *_ in messages]


def test_an_accepted_job_reaches_the_queue_of_its_process(broker, transactional_db, accept):
    job = accept()
    assert waiting(broker) == [str(job.id)]
    entry = Outbox.objects.get()
    assert entry.sends == 1
    assert entry.due > timezone.now()


def test_without_a_broker_the_job_is_accepted_and_sent_later(
    broker, transactional_db, accept, monkeypatch
):
    with monkeypatch.context() as patched:
        patched.setattr(delivery, "app", nowhere)
        job = accept()
        assert Outbox.objects.get().sends == 0
        assert delivery.sweep() == 0
    assert delivery.sweep() == 1
    assert waiting(broker) == [str(job.id)]


def test_whatever_keeps_an_id_from_being_sent_makes_it_due_at_once(
    broker, transactional_db, accept, monkeypatch
):
    def broken(*_, **__):
        raise RuntimeError("nobody expected this")

    with monkeypatch.context() as patched:
        patched.setattr(delivery.app(), "send_task", broken)
        job = accept()
    assert delivery.sweep() == 1
    assert waiting(broker) == [str(job.id)]


def test_nothing_is_sent_before_it_is_due(broker, transactional_db, accept):
    accept()
    waiting(broker)
    assert delivery.sweep() == 0
    assert waiting(broker) == []


def test_a_lost_message_is_sent_again_each_time_later(broker, transactional_db, accept):
    job = accept()
    pauses = []
    for _ in range(8):
        Outbox.objects.update(due=timezone.now())
        assert delivery.sweep() == 1
        pauses.append((Outbox.objects.get().due - timezone.now()) / timedelta(minutes=1))
    assert waiting(broker) == [str(job.id)] * 9
    assert [round(pause) for pause in pauses] == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_claimed_job_is_not_sent_again(broker, transactional_db, accept):
    job = accept()
    jobs.claim(job.id, "w1")
    waiting(broker)
    assert delivery.resend(job.id) is False
    assert delivery.sweep() == 0
    assert waiting(broker) == []


def test_a_requeued_job_is_sent_at_once(broker, transactional_db, accept):
    job = jobs.claim(accept().id, "w1")
    waiting(broker)
    jobs.release(job.id, job.worker, job.attempt)
    assert waiting(broker) == [str(job.id)]
