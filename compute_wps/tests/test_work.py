"""A worker and its jobs: real computing on real files, and every way it can end."""

import contextlib
import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import pywps
import xarray as xr
from django.conf import settings
from django.db import OperationalError
from django.utils import timezone

from compute_tasks.errors import Cancelled
from compute_tasks.tests.data import field
from compute_tasks.tests.servers import Answer, failing, files, web
from compute_wps import catalog, drain, jobs, lease, results, tasks, upkeep, work
from compute_wps.models import Job, Message, Output, State
from compute_wps.protocol.echo import execute_document
from compute_wps.protocol.requests import Execute, Input, RawDataOutput, RequestedOutput
from compute_wps.tests.schemas import find, validate

pytestmark = pytest.mark.database


def ended(job: Job) -> Job:
    tasks.run_job(str(job.id))
    job.refresh_from_db()
    return job


def test_a_job_runs_to_its_result(job):
    assert (ended(job).status, job.percent, job.error_text) == (State.SUCCEEDED, 100, "")
    (output,) = job.outputs.all()
    assert output.name == "tas|op0-CDAT.mean"
    path = settings.COMPUTE.outputs_dir / output.path
    assert path.stat().st_size == output.size > 0
    with xr.open_dataset(path) as result:
        np.testing.assert_allclose(result.tas, field((24, 6, 8)).mean(axis=(1, 2)), rtol=1e-6)
        assert result.attrs["provenance.wps_identifier"] == "CDAT.mean"
        assert result.attrs["provenance.wps_server"] == "http://testserver/wps"
        assert result.attrs["provenance.wps_document"] == job.document
    assert not results.workspace(job).exists()


def test_progress_is_recorded_on_the_way(job):
    ended(job)
    said = list(Message.objects.filter(status__status="started").values_list("message", flat=True))
    assert any("CDAT.mean" in message for message in said)


def test_a_short_job_says_everything_at_once(job, django_assert_max_num_queries, monkeypatch):
    reported = []
    report = jobs.report

    def noted(*arguments):
        reported.append(arguments)
        return report(*arguments)

    monkeypatch.setattr(lease, "GATHER_SECONDS", 60.0)
    monkeypatch.setattr(jobs, "report", noted)
    with django_assert_max_num_queries(36):
        ended(job)
    assert len(reported) == 1
    said = Message.objects.filter(status__status="started")
    assert said.count() > 2
    assert job.input_bytes > 0


def test_what_a_long_job_says_is_recorded_while_it_runs(job, monkeypatch):
    monkeypatch.setattr(lease, "GATHER_SECONDS", 0.01)
    shown = threading.Event()
    report = jobs.report

    def noted(*arguments):
        answer = report(*arguments)
        shown.set()
        return answer

    def long(*_, report, **__):
        report(30, "half way")
        assert shown.wait(30)
        assert Message.objects.filter(message="half way").exists()
        return []

    monkeypatch.setattr(jobs, "report", noted)
    monkeypatch.setattr(work, "run", long)
    assert ended(job).status == State.SUCCEEDED


def test_a_second_delivery_does_not_run_the_job_again(job):
    first = ended(job).finished
    assert ended(job).finished == first
    assert (job.attempt, Output.objects.count()) == (1, 1)


def test_an_unreadable_file_fails_the_job_with_a_text(transactional_db, accept, workflow):
    missing = f"{workflow.uri}.missing"
    job = ended(accept(variable=json.dumps([{"uri": missing, "id": "tas|v0"}])))
    assert job.status == State.FAILED
    assert missing in job.error_text
    assert job.error_locator == "variable"
    assert not results.folder(job).exists()


def test_an_unexpected_error_shows_a_reference_and_logs_the_cause(job, monkeypatch, caplog):
    def broken(*_, **__):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(work, "run", broken)
    assert ended(job).status == State.FAILED
    assert job.error_code == "NoApplicableCode"
    assert "secret" not in job.error_text
    (record,) = [r for r in caplog.records if r.name == "compute_wps.work"]
    assert record.msg["reference"] in job.error_text


def test_a_terminated_worker_hands_its_job_back(job, monkeypatch):
    def leaving(*_, **__):
        raise SystemExit(0)

    monkeypatch.setattr(work, "run", leaving)
    with pytest.raises(SystemExit):
        tasks.run_job(str(job.id))
    job.refresh_from_db()
    assert (job.status, job.outbox.sends) == (State.ACCEPTED, 1)


def test_a_process_that_is_to_stop_saves_what_is_finished_and_hands_its_job_back(job, monkeypatch):
    monkeypatch.setattr(drain, "_stop", asked := threading.Event())
    drain.stop(drain.STOP, None)
    assert ended(job).status == State.ACCEPTED
    assert job.message == "handed back by its worker"
    assert not results.attempt(job).exists()
    asked.clear()
    assert ended(job).status == State.SUCCEEDED
    said = Message.objects.filter(status__job=job, message__startswith="resumed: 1 of ")
    assert said.count() == 1
    assert not results.workspace(job).exists()


def test_a_job_lost_while_it_runs_is_taken_up_by_the_next_worker(job):
    jobs.claim(job.id, "a worker that was killed")
    assert [jobs.reap(lost) for lost in jobs.running()] == [True]
    assert (ended(job).status, job.attempt) == (State.SUCCEEDED, 2)


def test_a_job_dismissed_while_it_runs_stops_and_leaves_nothing(job, monkeypatch):
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.01)
    stopped = threading.Event()

    def endless(*_, report, cancelled, **__):
        jobs.dismiss(job.id)
        while not cancelled():
            stopped.wait(0.01)
        stopped.set()
        raise Cancelled("the job was dismissed")

    monkeypatch.setattr(work, "run", endless)
    assert ended(job).status == State.DISMISSED
    assert stopped.is_set()
    assert not results.folder(job).exists()


@pytest.fixture
def interruptible():
    before = signal.signal(lease.INTERRUPT, lease.interrupted)
    yield
    signal.signal(lease.INTERRUPT, before)


def test_a_dismissed_job_stops_while_it_waits_for_somebody(job, monkeypatch, interruptible):
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(lease, "INSIST_SECONDS", 0.2)
    silent = threading.Event()

    def waiting(*_, **__):
        # What waits may take the first interruption for a failure of its own.
        with contextlib.suppress(Cancelled):
            jobs.dismiss(job.id)
            silent.wait(60)
        assert not silent.wait(60)
        raise AssertionError("the wait was not ended")

    monkeypatch.setattr(work, "run", waiting)
    started = time.monotonic()
    assert ended(job).status == State.DISMISSED
    assert time.monotonic() - started < 30


def test_a_job_dismissed_at_the_last_moment_leaves_no_files(job, monkeypatch):
    publish = results.publish

    def late(*arguments):
        jobs.dismiss(job.id)
        return publish(*arguments)

    monkeypatch.setattr(results, "publish", late)
    assert ended(job).status == State.DISMISSED
    assert not results.folder(job).exists()


def test_the_lease_is_extended_while_the_job_runs(job, monkeypatch):
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.01)
    short = settings.COMPUTE.model_copy(update={"lease_seconds": 0.03})
    held = jobs.claim(job.id, "w1")
    monkeypatch.setattr(settings, "COMPUTE", short)
    seen = threading.Event()
    extend = jobs.heartbeat

    def heartbeat(*key):
        answer = extend(*key)
        seen.set()
        return answer

    monkeypatch.setattr(jobs, "heartbeat", heartbeat)
    with lease.Lease(held).kept():
        assert seen.wait(10)


def test_progress_the_database_cannot_take_does_not_end_the_job(job, monkeypatch):
    def away(*_):
        raise OperationalError("connection lost")

    monkeypatch.setattr(jobs, "report", away)
    assert ended(job).status == State.SUCCEEDED


def test_a_read_that_is_tried_again_is_told_in_the_history(
    transactional_db, accept, source, monkeypatch
):
    broken = Answer(b"busy", 503)
    with web(failing(files(source.parent), 2, broken)) as server:
        patient = settings.COMPUTE.model_copy(update={"allowed_data_hosts": ("127.0.0.1",)})
        patient.__dict__.pop("sources", None)
        monkeypatch.setattr(settings, "COMPUTE", patient)
        uri = f"{server.url}/{source.name}"
        job = ended(accept(variable=json.dumps([{"uri": uri, "id": "tas|v0"}])))
    assert job.status == State.SUCCEEDED, job.error_text
    said = Message.objects.filter(status__job=job, message__contains="answered 503")
    assert any("; try 2 of 4 in " in message.message for message in said)


def test_a_job_given_up_while_its_worker_lives_is_taken_back(job):
    held = lease.Lease(jobs.claim(job.id, "w1"))
    assert [jobs.reap(lost) for lost in jobs.running()] == [True]
    assert held.look(extend=True)
    assert not held.lost()
    held.report(50, "going on")


def test_a_job_ends_although_the_database_is_away_when_it_does(job, monkeypatch):
    close, times = jobs.succeed, iter(range(2))

    def away(*arguments):
        if next(times, None) is not None:
            raise OperationalError("connection lost")
        return close(*arguments)

    monkeypatch.setattr(jobs, "succeed", away)
    assert ended(job).status == State.SUCCEEDED
    assert job.outputs.count() == 1


def test_a_process_that_only_reports_is_stopped_too(job):
    held = lease.Lease(jobs.claim(job.id, "w1"))
    held.report(10, "working")
    jobs.dismiss(job.id)
    held.look(extend=True)
    with pytest.raises(Cancelled):
        held.report(20, "working")


def test_old_results_are_removed_and_young_ones_kept(transactional_db, accept):
    old, young = ended(accept()), ended(accept())
    Job.objects.filter(pk=old.pk).update(expires=timezone.now())
    upkeep.maintain()
    upkeep.maintain()
    assert not results.folder(old).exists()
    assert list(results.folder(young).iterdir())


class Shout(pywps.Process):
    """A process of another package: a literal in; a literal, a text and a file out."""

    def __init__(self):
        text = pywps.Format("text/plain")
        super().__init__(
            self._handler,
            identifier="shout",
            title="Shout",
            inputs=[pywps.LiteralInput("word", "Word", data_type="string")],
            outputs=[
                pywps.LiteralOutput("length", "Length", data_type="integer"),
                pywps.ComplexOutput("loud", "Loud", supported_formats=[text]),
                pywps.ComplexOutput("file", "File", supported_formats=[text]),
            ],
            store_supported=True,
            status_supported=True,
        )

    def _handler(self, request, response):
        word = request.inputs["word"][0].data
        response.update_status("shouting", 50)
        response.outputs["length"].data = len(word)
        response.outputs["loud"].data = word.upper()
        path = Path(response.process.workdir, "loud.txt")
        path.write_text(word.upper())
        response.outputs["file"].file = str(path)
        return response


@pytest.fixture
def shout(monkeypatch):
    offered = {**catalog.offered(), "shout": Shout()}
    monkeypatch.setattr(catalog, "offered", lambda: offered)
    return lambda form=None: execute_document(
        replace(Execute("shout", (Input("word", "hey", literal=True),)), form=form)
    )


def test_a_process_of_another_package_is_waited_for_and_answered(client, worker, shout):
    response = client.post("/wps", shout(), content_type="text/xml")
    root = validate(response.content)
    assert find(root, "//wps:ProcessSucceeded")
    assert find(root, "//wps:LiteralData/text()") == ["3"]
    assert find(root, "//wps:ComplexData/text()") == ["HEY"]
    (href,) = find(root, "//wps:Reference/@href")
    assert b"".join(client.get(href).streaming_content) == b"HEY"
    assert Job.objects.get().queue == jobs.DEFAULT


@pytest.mark.parametrize(("output", "body"), [("length", b"3"), ("loud", b"HEY"), ("file", b"HEY")])
def test_each_output_of_such_a_process_is_given_raw(client, worker, shout, output, body):
    form = RawDataOutput(RequestedOutput(output))
    response = client.post("/wps", shout(form), content_type="text/xml")
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/plain")
    assert b"".join(response) == body
