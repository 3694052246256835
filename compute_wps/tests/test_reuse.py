"""Identical requests: computed once, answered at once, and never with the result of other data."""

import json
import os
import threading
from urllib.parse import urlsplit

import pytest
from django.conf import settings as django_settings
from django.db import connection

from compute_tasks.tests import servers
from compute_tasks.tests.data import tas_files
from compute_wps import fairness, jobs, results, reuse, tasks, work
from compute_wps.identity import NOBODY, Caller
from compute_wps.models import Job, State
from compute_wps.tests.schemas import find, validate
from compute_wps.tests.workflows import Workflow, report

pytestmark = pytest.mark.database

ALICE, BOB = Caller("alice", "alice"), Caller("bob", "bob")
MAX = {"name": "CDAT.max", "result": "op0", "input": ["v0"], "axes": "lat|lon"}


@pytest.fixture
def own(tmp_path_factory):
    """A request for a file of its own, so that no other test has asked for it."""
    folder = django_settings.COMPUTE.archive_dir / tmp_path_factory.mktemp("own").name
    folder.mkdir(parents=True)
    (path,) = tas_files(folder, [(2000,)])
    return Workflow(str(path))


@pytest.fixture
def counted(monkeypatch):
    """A list that grows by one each time something is computed."""
    runs, run = [], work.run

    def counting(*arguments, **keywords):
        runs.append(1)
        return run(*arguments, **keywords)

    monkeypatch.setattr(work, "run", counting)
    return runs


@pytest.fixture
def accept(transactional_db):
    """Accept a request as a worker would find it, its identity not yet known."""

    def accept(workflow, caller=NOBODY, **options):
        return jobs.accept(
            identifier=workflow.identifier,
            document=workflow.document(),
            queue=jobs.INGRESS,
            base_url="http://testserver",
            caller=caller,
            **options,
        )

    return accept


@pytest.fixture
def post(client, transactional_db, monkeypatch):
    """Send a request and return the root of its status; a worker takes it when told to."""

    def post(workflow, query="", **changed):
        response = client.post(
            f"/wps{query}", workflow.document(**changed), content_type="text/xml"
        )
        answer = validate(response.content)
        assert find(answer, "//wps:ProcessAccepted")
        return validate(client.get(urlsplit(answer.get("statusLocation")).path).content)

    return post


def ended(job):
    tasks.run_job(str(job.id))
    job.refresh_from_db()
    return job


def newest():
    return Job.objects.first()


def files(job):
    return [django_settings.COMPUTE.outputs_dir / output.path for output in job.outputs.all()]


def test_an_identical_request_is_answered_at_once(post, own, counted):
    assert find(post(own), "//wps:ProcessAccepted")
    first = ended(newest())
    again = post(own)
    assert find(again, "//wps:ProcessSucceeded")
    second = newest()
    assert second.id != first.id
    assert str(second.id) in again.get("statusLocation")
    (entry,) = json.loads(find(again, "//wps:ComplexData/text()")[0])
    assert f"/{second.id}/" in entry["uri"]
    assert len(counted) == 1


def test_removing_one_job_leaves_the_others_files(post, own, client):
    post(own)
    first = ended(newest())
    post(own)
    second = newest()
    ((one,), (two,)) = files(first), files(second)
    assert one.samefile(two)
    content = two.read_bytes()
    assert client.delete(f"/wps/api/job/{first.id}").status_code == 204
    assert not one.exists()
    assert two.read_bytes() == content


@pytest.mark.parametrize("query", ["?reuse=false", "?REUSE=0"])
def test_a_new_run_can_be_forced(post, own, counted, query):
    for _ in range(2):
        root = post(own, query)
        assert find(root, "//wps:ProcessAccepted")
        assert ended(newest()).status == State.SUCCEEDED
    assert len(counted) == 2
    assert find(post(own), "//wps:ProcessSucceeded")


def test_a_new_run_can_be_forced_by_get(client, transactional_db, own, counted):
    for _ in range(2):
        client.get("/wps", own.kvp(reuse="false"))
        ended(newest())
    assert len(counted) == 2


def test_an_unusable_value_of_reuse_is_refused_by_name(client, transactional_db, own):
    response = client.get("/wps", own.kvp(reuse="perhaps"))
    assert response.status_code == 400
    assert report(response)[:2] == ("InvalidParameterValue", "reuse")


def test_a_changed_source_is_read_again(post, own, counted):
    post(own)
    ended(newest())
    os.utime(own.uri)
    assert find(post(own), "//wps:ProcessAccepted")
    ended(newest())
    assert len(counted) == 2


def test_another_request_on_the_same_file_is_another(post, own, counted):
    post(own)
    ended(newest())
    other = Workflow(own.uri, "CDAT.max")
    assert find(post(other), "//wps:ProcessAccepted")


def test_the_order_of_parameters_does_not_matter(post, own):
    post(own, operation=json.dumps([MAX | {"name": "CDAT.mean"}]))
    ended(newest())
    turned = dict(reversed((MAX | {"name": "CDAT.mean"}).items()))
    assert find(post(own, operation=json.dumps([turned])), "//wps:ProcessSucceeded")


def test_another_output_format_or_version_is_another(own, settings, monkeypatch):
    workflow = reuse.document.parse(own.identifier, **own.texts)
    first = reuse.identity(workflow)
    assert first == reuse.identity(workflow) == reuse.quick_identity(workflow)
    settings.COMPUTE = django_settings.COMPUTE.model_copy(update={"output_format": "netcdf3"})
    second = reuse.identity(workflow)
    monkeypatch.setattr(reuse, "_version", lambda: "another")
    assert len({first, second, reuse.identity(workflow)}) == 3


def test_the_result_of_another_owner_is_not_used(accept, own, counted):
    ended(accept(own, ALICE))
    assert ended(accept(own, BOB)).status == State.SUCCEEDED
    assert len(counted) == 2
    assert ended(accept(own, ALICE)).linked
    assert len(counted) == 2


def test_expired_results_are_not_used(accept, own, counted):
    first = ended(accept(own))
    Job.objects.update(expires=first.finished)
    ended(accept(own))
    assert len(counted) == 2


def test_a_failed_job_is_run_again(accept, own, counted):
    missing = Workflow(f"{own.uri}.missing")
    assert [ended(accept(missing)).status for _ in range(2)] == [State.FAILED] * 2
    assert len(counted) == 2


def test_files_that_went_are_computed_again(accept, own, counted):
    for file in files(ended(accept(own))):
        file.unlink()
    again = ended(accept(own))
    assert (again.status, len(counted)) == (State.SUCCEEDED, 2)
    assert all(file.exists() for file in files(again))


def test_reuse_can_be_switched_off(post, own, settings, counted):
    settings.COMPUTE = django_settings.COMPUTE.model_copy(update={"reuse": False})
    for _ in range(2):
        post(own)
        ended(newest())
    assert len(counted) == 2


def test_a_twin_waits_for_the_one_that_runs_and_takes_its_result(accept, own, counted):
    first = accept(own)
    held = jobs.claim_next(jobs.INGRESS, "w1")
    second = accept(own)
    Job.objects.filter(pk=first.pk).update(identity=reuse.identity(_parsed(own)))
    assert ended(second).status == State.ACCEPTED
    assert reuse.WAITS in fairness.message(second)
    assert jobs.claim_next(jobs.INGRESS, "w2") is None
    work.work(held)
    assert ended(second).status == State.SUCCEEDED
    assert second.linked
    assert len(counted) == 1


def test_a_twin_of_one_that_fails_runs_itself(accept, own, counted):
    known = reuse.identity(_parsed(own))
    first, second = accept(own, identity=known), accept(own, identity=known)
    held = jobs.claim(first.id, "w1")
    assert jobs.claim_next(jobs.INGRESS, "w2") is None
    jobs.fail(first.id, "w1", held.attempt, code="NoApplicableCode", locator=None, text="no")
    assert ended(second).status == State.SUCCEEDED
    assert len(counted) == 1


def test_a_forced_run_waits_for_nobody(accept, own):
    known = reuse.identity(_parsed(own))
    accept(own, identity=known)
    jobs.claim_next(jobs.INGRESS, "w1")
    forced = accept(own, identity=known, reuse=False)
    assert jobs.claim_next(jobs.INGRESS, "w2").id == forced.id


def test_of_many_workers_one_runs_what_many_ask_for(accept, own):
    known = reuse.identity(_parsed(own))
    for _ in range(4):
        accept(own, identity=known)
    gate, claimed = threading.Barrier(4), []

    def claim(name):
        gate.wait()
        claimed.append(jobs.claim_next(jobs.INGRESS, name))
        connection.close()

    threads = [threading.Thread(target=claim, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([job for job in claimed if job]) == 1


def test_a_remote_file_is_reused_until_it_changes(accept, own, counted, settings, tmp_path):
    served = tmp_path / "files"
    served.mkdir()
    (path,) = tas_files(served, [(2000,)])
    settings.COMPUTE = django_settings.COMPUTE.model_copy(
        update={"sources": settings.COMPUTE.sources.__class__(allowed_hosts=frozenset({"*"}))}
    )
    with servers.web(servers.files(served)) as web:
        remote = Workflow(f"{web.url}/{path.name}")
        assert reuse.quick_identity(_parsed(remote)) == ""
        assert ended(accept(remote)).identity
        assert ended(accept(remote)).linked
        os.utime(path, (0, 0))
        assert not ended(accept(remote)).linked
    assert len(counted) == 2


def test_a_linked_job_does_not_tell_how_long_its_kind_takes(accept, own):
    ended(accept(own))
    ended(accept(own))
    assert len(fairness._recent(own.identifier)) == 1


def test_links_count_as_results_of_the_job(accept, own):
    ended(accept(own))
    again = ended(accept(own))
    (output,) = again.outputs.all()
    assert output.size == files(again)[0].stat().st_size
    assert output.path.startswith(again.folder)
    assert results.folder(again).is_dir()


def _parsed(workflow):
    return reuse.document.parse(workflow.identifier, **workflow.texts)
