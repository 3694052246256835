"""An archive, requests on it, and a worker in the test's own process."""

# ruff: noqa: PLC0415 - pytest reads this file before Django is set up

from pathlib import Path

import pytest
from django.conf import settings

from compute_tasks.tests.data import tas_files
from compute_wps.tests.workflows import Workflow


@pytest.fixture(scope="session")
def source() -> Path:
    """A file of two years of monthly tas in the archive."""
    (path,) = tas_files(settings.COMPUTE.archive_dir, [(2000, 2001)])
    return path


@pytest.fixture(autouse=True)
def no_memory_of_other_jobs():
    """What a process remembers of how long jobs took ends with the test."""
    from compute_wps import fairness

    fairness.usual_seconds.cache_clear()


@pytest.fixture
def workflow(source) -> Workflow:
    return Workflow(str(source))


@pytest.fixture
def accept(workflow):
    """Accept a job as the view does, once it is checked."""
    from compute_wps import jobs
    from compute_wps.identity import NOBODY

    def accept(form=None, caller=NOBODY, **changed: str):
        return jobs.accept(
            identifier=workflow.identifier,
            document=workflow.document(form, **changed),
            queue=jobs.INGRESS,
            base_url="http://testserver",
            caller=caller,
        )

    return accept


@pytest.fixture
def job(transactional_db, accept):
    """An accepted job; its message has left this process and reached nobody."""
    return accept()


@pytest.fixture
def worker(transactional_db, monkeypatch):
    """A worker that runs each job as soon as it is sent."""
    from compute_wps import delivery, tasks

    monkeypatch.setattr(delivery, "deliver", lambda job_id, _: tasks.run_job(str(job_id)))
