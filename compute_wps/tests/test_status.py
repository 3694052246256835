"""Status documents: always 200, always a valid ExecuteResponse."""

import uuid

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from compute_wps import jobs, tasks, upkeep
from compute_wps.history import Said
from compute_wps.models import Job
from compute_wps.tests.schemas import find, validate

pytestmark = pytest.mark.database


def status(client, job_id):
    response = client.get(f"/wps/api/job/{job_id}.wps")
    assert (response.status_code, response["Content-Type"]) == (200, "text/xml; charset=utf-8")
    root = validate(response.content)
    assert find(root, "/wps:ExecuteResponse/wps:Status/@creationTime")
    return root


def failure(root) -> str:
    (text,) = find(root, "//wps:ProcessFailed/ows:ExceptionReport//ows:ExceptionText/text()")
    return text


def test_a_waiting_job_is_accepted_without_percent(client, job):
    root = status(client, job.id)
    assert find(root, "//wps:ProcessAccepted/text()") == [
        "waiting for a worker: number 1 of 1 in the queue, 0 running"
    ]
    assert find(root, "//wps:Process/ows:Identifier/text()") == ["CDAT.mean"]


def test_a_running_job_shows_whole_percents_below_hundred(client, job):
    held = jobs.claim(job.id, "w1")
    jobs.report(job.id, "w1", held.attempt, [Said(100, "writing 1 file")])
    (started,) = find(status(client, job.id), "//wps:ProcessStarted")
    assert started.get("percentCompleted") == "99"
    assert started.text == "writing 1 file"


def test_a_dismissed_job_says_so(client, job):
    jobs.dismiss(job.id)
    assert "dismissed" in failure(status(client, job.id))


def test_an_expired_job_says_so(client, job):
    tasks.run_job(str(job.id))
    Job.objects.update(expires=timezone.now())
    upkeep.maintain()
    assert "removed" in failure(status(client, job.id))
    response = client.get(f"/wps/api/output/{job.id}/output")
    assert response.status_code == 404
    assert "removed" in response.json()["detail"]


@pytest.mark.parametrize("job_id", [uuid.UUID(int=0), "17", "no-such-job", "", "a b<&"])
def test_an_unknown_job_has_a_document_too(client, transactional_db, job_id):
    root = status(client, job_id)
    assert f"{job_id}" in failure(root)


def test_while_the_database_is_away_clients_are_told_to_ask_again(client, job, monkeypatch):
    def away(**_):
        raise OperationalError("connection to host db refused")

    monkeypatch.setattr(Job.objects, "get", away)
    assert "ask again" in find(status(client, job.id), "//wps:ProcessAccepted/text()")[0]


def test_a_state_has_a_document_too(client, job):
    state = job.statuses.get()
    assert find(validate(client.get(f"/wps/api/status/{state.id}.wps").content), "//wps:Status/*")
    unknown = client.get("/wps/api/status/999999999999999999999.wps")
    assert unknown.status_code == 200
    failure(validate(unknown.content))


@pytest.mark.parametrize("address", ["job/{job.id}.wps", "status/1.wps"])
@pytest.mark.parametrize("method", ["POST", "DELETE"])
def test_a_status_document_is_only_read(job, address, method):
    client = Client(enforce_csrf_checks=True)
    answer = client.generic(method, f"/wps/api/{address.format(job=job)}")
    assert (answer.status_code, answer["Allow"]) == (405, "GET, HEAD")
