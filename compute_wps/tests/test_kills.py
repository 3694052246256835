"""A process killed between any two steps: what it leaves is mended, and the result is the same."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from django.conf import settings

from compute_tasks.outputs import files
from compute_tasks.tests.data import field
from compute_wps import delivery, jobs, results, tasks, upkeep, work
from compute_wps.models import Job, Outbox, Output, State
from compute_wps.tests.killed import dies

pytestmark = pytest.mark.database

ACCEPT = (jobs.accept, delivery.deliver)
CLAIM = (jobs.take, jobs.claim)
WRITE = (files._publish, work._publish, results.publish)
CLOSE = (work._run, jobs.succeed)


def accept(identifier: str, document: str) -> None:
    jobs.accept(
        identifier=identifier,
        document=document,
        queue=jobs.INGRESS,
        base_url="http://testserver",
    )


def run(job_id: str) -> None:
    tasks.run_job(job_id)


def mended() -> None:
    """Do what the upkeep of any worker does, and what workers do with the messages it sends."""
    for lost in jobs.running():
        assert jobs.reap(lost)
    upkeep.maintain()
    for job_id in list(Outbox.objects.values_list("job_id", flat=True)):
        tasks.run_job(str(job_id))
    upkeep.maintain()


def check_result() -> None:
    """Check that there is one job with one right result and nothing else on disk."""
    job, output = Job.objects.get(), Output.objects.get()
    assert (job.status, output.job, job.lost < 2) == (State.SUCCEEDED, job, True)
    assert not Outbox.objects.exists()
    path = settings.COMPUTE.outputs_dir / output.path
    assert list(results.folder(job).iterdir()) == [path]
    assert path.stat().st_size == output.size
    with xr.open_dataset(path) as result:
        np.testing.assert_allclose(result.tas, field((24, 6, 8)).mean(axis=(1, 2)), rtol=1e-6)
    assert not workspaces()


def workspaces() -> list[Path]:
    folder = settings.COMPUTE.workspace_dir
    return list(folder.iterdir()) if folder.is_dir() else []


def forget() -> None:
    for job in Job.objects.all():
        results.remove(job)
    Job.objects.all().delete()


def test_a_web_killed_at_any_step_of_accepting_leaves_a_job_that_runs_or_none(
    transactional_db, workflow
):
    found = []
    for step in itertools.count(1):
        alive = not dies(step, ACCEPT, accept, workflow.identifier, workflow.document())
        found.append(Job.objects.count())
        mended()
        if Job.objects.exists():
            check_result()
        forget()
        if alive:
            break
    assert step > 10
    assert found == sorted(found)
    assert set(found) == {0, 1}


@pytest.mark.parametrize("places", [CLAIM, WRITE, CLOSE], ids=["claiming", "writing", "closing"])
def test_a_worker_killed_at_any_step_leaves_a_job_that_ends_in_one_result(
    transactional_db, accept, places
):
    for step in itertools.count(1):
        job = accept()
        alive = not dies(step, places, run, str(job.id))
        mended()
        check_result()
        forget()
        if alive:
            break
    assert step > 8
