"""How long results stay, and what is cleared away."""

import json
import os
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils import timezone

from compute_wps import documents, jobs, results, retention, tasks, upkeep
from compute_wps.models import Job, State
from compute_wps.tests.schemas import find, validate

pytestmark = pytest.mark.database


@pytest.fixture
def done(job):
    """A job that left one file."""
    tasks.run_job(str(job.id))
    job.refresh_from_db()
    assert job.status == State.SUCCEEDED
    return job


def patch(client, job, days):
    body = json.dumps({"retention_days": days})
    return client.patch(f"/wps/api/job/{job.id}", body, content_type="application/json")


def expire(job):
    Job.objects.filter(pk=job.pk).update(expires=timezone.now() - timedelta(seconds=1))
    job.refresh_from_db()


def test_a_job_says_when_its_results_expire(client, done):
    shown = client.get(f"/wps/api/job/{done.id}").json()["expires"]
    assert timezone.datetime.fromisoformat(shown) == pytest.approx(
        done.finished + timedelta(days=settings.COMPUTE.retention_days), abs=timedelta(seconds=1)
    )


def test_an_owner_sets_how_long_results_are_kept(client, done):
    response = patch(client, done, 20)
    assert response.status_code == 200
    done.refresh_from_db()
    assert done.expires == done.finished + timedelta(days=20)
    shown = timezone.datetime.fromisoformat(response.json()["expires"])
    assert shown == pytest.approx(done.expires, abs=timedelta(seconds=1))


def test_what_is_set_before_the_end_counts_from_the_end(client, job):
    response = patch(client, job, 0.5)
    assert (response.status_code, response.json()["expires"]) == (200, None)
    tasks.run_job(str(job.id))
    job.refresh_from_db()
    assert job.expires == job.finished + timedelta(days=0.5)


@pytest.mark.parametrize("days", [0, -1, 30.5, 1e12])
def test_a_time_out_of_bounds_is_refused_with_the_bounds(client, done, days):
    response = patch(client, done, days)
    assert response.status_code == 400
    assert f"retention_days is {days:g}" in response.json()["detail"]
    assert "at most 30" in response.json()["detail"]


def test_a_time_that_is_no_number_is_refused_by_name(client, done):
    response = patch(client, done, "long")
    assert response.status_code == 400
    assert response.json()["detail"].startswith("retention_days:")


def test_what_has_expired_is_not_brought_back(client, done):
    expire(done)
    assert patch(client, done, 20).status_code == 409
    done.refresh_from_db()
    assert done.expired


def test_an_unknown_job_is_404(client, transactional_db):
    body = json.dumps({"retention_days": 1})
    path = f"/wps/api/job/{uuid.uuid4()}/"
    assert client.patch(path, body, content_type="application/json").status_code == 404


@pytest.mark.parametrize("removed", [False, True])
def test_an_expired_job_says_so_wherever_it_is_asked_for(client, done, removed):
    expire(done)
    if removed:
        upkeep.maintain()
        assert not results.folder(done).exists()
    shown = client.get(f"/wps/api/job/{done.id}").json()
    assert (shown["status"], shown["output"]) == ("ProcessSucceeded", [])
    assert "expired on" in shown["message"]
    root = validate(client.get(f"/wps/api/job/{done.id}.wps").content)
    (text,) = find(root, "//wps:ProcessFailed//ows:ExceptionText/text()")
    assert "The results expired on" in text
    assert "send the request again" in text
    output = client.get(f"/wps/api/output/{done.id}/output")
    assert (output.status_code, "expired" in output.json()["detail"]) == (404, True)


def test_a_failed_job_keeps_its_reason_after_it_expired(job):
    held = jobs.claim(job.id, "w1")
    jobs.fail(held.id, "w1", held.attempt, code="NoApplicableCode", locator=None, text="no axis")
    expire(job)
    assert documents.fault_of(job).text == "no axis"


def test_files_of_jobs_that_left_no_result_are_removed(accept, done):
    failed, running, waiting = accept(), accept(), accept()
    held = jobs.claim(failed.id, "w1")
    jobs.fail(failed.id, "w1", held.attempt, code="NoApplicableCode", locator=None, text="no")
    jobs.claim(running.id, "w2")
    for job in (failed, running, waiting):
        results.folder(job).mkdir(parents=True)
        (results.folder(job) / "left.nc").write_bytes(b"half")
    stray = results.folder(done) / "of_a_lost_attempt.nc"
    stray.write_bytes(b"half")
    assert retention.remove_orphans() == 2
    assert not results.folder(failed).exists()
    assert not stray.exists()
    assert results.folder(running).exists()
    assert results.folder(waiting).exists()
    (output,) = done.outputs.all()
    assert (settings.COMPUTE.outputs_dir / output.path).exists()
    assert retention.remove_orphans() == 0


def test_files_of_an_unknown_job_are_removed_when_they_are_old(transactional_db):
    young, old = (settings.COMPUTE.outputs_dir / "anonymous" / str(uuid.uuid4()) for _ in range(2))
    for folder in (young, old):
        folder.mkdir(parents=True)
        (folder / "a.nc").write_bytes(b"data")
    long_ago = (timezone.now() - retention.ORPHAN_AGE - timedelta(minutes=1)).timestamp()
    os.utime(old, (long_ago, long_ago))
    retention.remove_orphans()
    assert young.exists()
    assert not old.exists()
    young.joinpath("a.nc").unlink()
    young.rmdir()


def test_what_is_not_ours_stays(transactional_db):
    foreign = settings.COMPUTE.outputs_dir / "anonymous" / "notes"
    foreign.mkdir(parents=True, exist_ok=True)
    os.utime(foreign, (0, 0))
    retention.remove_orphans()
    assert foreign.exists()
    foreign.rmdir()


def test_orphans_are_looked_for_once_an_hour(monkeypatch):
    seconds, looked = [0.0], []
    monkeypatch.setattr(retention, "remove_orphans", lambda: looked.append(seconds[0]))
    orphans = retention.Orphans(clock=lambda: seconds[0])
    for seconds[0] in (0.0, 5.0, 3599.0, 3600.0, 3605.0, 7300.0):
        orphans.round()
    assert looked == [0.0, 3600.0, 7300.0]
