"""REST as existing clients use it."""

import json
import re

import pytest
from django.conf import settings

from compute_wps import jobs, tasks, upkeep
from compute_wps.api import endpoints
from compute_wps.models import Job

pytestmark = pytest.mark.database

API = "http://testserver/wps/api"


@pytest.fixture
def done(job):
    tasks.run_job(str(job.id))
    job.refresh_from_db()
    return job


@pytest.mark.parametrize("ending", ["", "/", ".json"])
def test_a_job_is_shown(client, done, ending):
    shown = client.get(f"/wps/api/job/{done.id}{ending}").json()
    output, state = done.outputs.get(), done.statuses.first()
    assert set(shown) == {
        *("url", "id", "identifier", "status", "status_links"),
        *("elapsed", "accepted", "message", "expires", "datainputs", "output"),
    }
    assert shown["url"] == f"{API}/job/{done.id}"
    assert (shown["identifier"], shown["status"]) == ("CDAT.mean", "ProcessSucceeded")
    assert shown["status_links"][0] == f"{API}/status/{state.id}"
    assert len(shown["status_links"]) == 3
    assert re.fullmatch(r"\d\d:\d\d:\d\d\.\d+", shown["elapsed"])
    assert json.loads(json.loads(shown["datainputs"])["variable"])[0]["id"] == "tas|v0"
    (file,) = shown["output"]
    assert file["remote"] == f"http://testserver/data/dodsC/{output.path}"
    assert file["size"] == output.size / 1e6


@pytest.mark.parametrize("ending", ["", "/", ".json"])
def test_a_state_is_shown_with_its_messages(client, done, ending):
    state = done.statuses.get(status="started")
    shown = client.get(f"/wps/api/status/{state.id}{ending}").json()
    assert set(shown) == {"id", "status", "job", "created_date", "updated_date", "message"}
    assert (shown["status"], shown["job"]) == ("ProcessStarted", str(done.id))
    assert set(shown["message"][0]) == {"message", "percent", "created_date"}
    percents = [message["percent"] for message in shown["message"]]
    assert percents == sorted(percents)


def test_a_failed_state_says_why(client, job):
    held = jobs.claim(job.id, "w1")
    jobs.fail(
        job.id, "w1", held.attempt, code="NoApplicableCode", locator=None, text="no such axis"
    )
    state = job.statuses.get(status="failed")
    assert client.get(f"/wps/api/status/{state.id}.json").json()["exception"] == "no such axis"


@pytest.mark.parametrize("path", ["/wps/api/job", "/wps/api/job/"])
def test_jobs_are_listed_by_pages_the_newest_first(client, transactional_db, accept, path):
    made = [str(accept().id) for _ in range(5)][::-1]
    page = client.get(path, {"limit": 2}).json()
    assert (page["count"], page["previous"]) == (5, None)
    seen = [job["id"] for job in page["results"]]
    while page["next"]:
        assert page["next"].startswith(f"{API}/job/?")
        page = client.get(page["next"]).json()
        seen += [job["id"] for job in page["results"]]
    assert seen == made
    assert page["previous"] == f"{API}/job/?limit=2&offset=2"


def test_the_list_takes_few_queries_however_long(
    client, transactional_db, accept, django_assert_max_num_queries
):
    for _ in range(4):
        accept()
    with django_assert_max_num_queries(4):
        client.get("/wps/api/job/")


@pytest.mark.parametrize("ending", ["", "/"])
def test_deleting_a_job_removes_it_and_its_files(client, done, ending):
    folder = settings.COMPUTE.outputs_dir / done.folder
    assert list(folder.iterdir())
    assert client.delete(f"/wps/api/job/{done.id}{ending}").status_code == 204
    assert not folder.exists()
    assert client.get(f"/wps/api/job/{done.id}").status_code == 404
    assert client.get("/wps/api/job/").json()["count"] == 0
    assert client.delete(f"/wps/api/job/{done.id}{ending}").status_code == 404
    status = client.get(f"/wps/api/job/{done.id}.wps")
    assert (status.status_code, b"dismissed" in status.content) == (200, True)


def test_deleting_a_waiting_job_cancels_it(client, job):
    client.delete(f"/wps/api/job/{job.id}/")
    assert jobs.claim(job.id, "w1") is None


@pytest.mark.parametrize(
    "path",
    ["job/17/", "job/00000000-0000-0000-0000-000000000000", "status/9", "status/x/", "output/1/o"],
)
def test_what_is_not_there_is_404_with_a_text(client, transactional_db, path):
    response = client.get(f"/wps/api/{path}")
    assert response.status_code == 404
    assert path.split("/")[1] in response.json()["detail"]


@pytest.mark.parametrize("parameters", [{"limit": "0"}, {"limit": "x"}, {"offset": "-1"}])
def test_unusable_pages_are_refused_by_name(client, db, parameters):
    response = client.get("/wps/api/job/", parameters)
    assert response.status_code == 400
    (name,) = parameters
    assert response.json()["detail"].startswith(f"{name}:")


def test_an_output_that_is_not_there_yet_is_404(client, job):
    response = client.get(f"/wps/api/output/{job.id}/output")
    assert response.status_code == 404
    assert "accepted" in response.json()["detail"]


def test_processes_are_listed(client, db):
    listed = client.get("/wps/api/process/").json()
    assert listed["count"] == len(listed["results"]) > 20
    assert {"identifier", "title", "abstract", "version"} == set(listed["results"][0])


@pytest.mark.parametrize("ending", ["", "/"])
def test_ping_answers_pong(client, db, ending):
    assert client.get(f"/wps/api/ping{ending}").content == b"pong"


@pytest.mark.parametrize("ending", ["", "/"])
def test_the_schema_describes_each_address_once(client, db, ending):
    schema = client.get(f"/wps/api/schema{ending}").json()
    assert schema["openapi"].startswith("3.")
    assert set(schema["paths"]) == {
        *("/wps/api/job/", "/wps/api/job/{job_id}/", "/wps/api/status/{status_id}/"),
        *("/wps/api/output/{job_id}/{identifier}", "/wps/api/process/", "/wps/api/ping/"),
    }
    assert set(schema["paths"]["/wps/api/job/{job_id}/"]) == {"get", "patch", "delete"}
    assert "status_links" in schema["components"]["schemas"]["Job"]["properties"]


def test_an_unexpected_error_shows_a_reference_only(client, db, monkeypatch):
    def broken(request):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(endpoints, "base_url", broken)
    response = client.get("/wps/api/job/")
    assert response.status_code == 500
    assert "secret" not in response.content.decode()
    assert "cause under" in response.json()["detail"]


def test_dismissed_jobs_keep_their_record(client, done):
    client.delete(f"/wps/api/job/{done.id}")
    assert Job.objects.get(pk=done.id).purged is None
    upkeep.maintain()
    assert Job.objects.get(pk=done.id).purged
