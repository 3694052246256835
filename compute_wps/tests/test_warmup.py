"""What a worker loads before its first job."""

import json
import subprocess
import sys

import pytest
from structlog.testing import capture_logs

from compute_wps import warmup

SCRIPT = """
import gc, json, sys, threading
import django

django.setup()

import compute_wps.tasks
from compute_tasks.engine import adding
from compute_wps import warmup

frozen = gc.get_freeze_count()
warmup.warm_up()
loops = (adding.add_sums, adding.add_extremes, adding.add_moments)
print(json.dumps({
    "compiled": [bool(loop.signatures) for loop in loops],
    "written": "compute_tasks.engine.write" in sys.modules,
    "frozen": gc.get_freeze_count() - frozen,
    "left": gc.get_count()[2] + len(gc.get_objects(2)),
    "threads": threading.active_count(),
}))
"""


def test_the_loops_are_loaded_and_their_garbage_is_not_walked_over_again():
    said = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, check=True).stdout
    found = json.loads(said)
    assert found["compiled"] == [True] * 3
    assert found["written"]
    assert found["frozen"] > 100_000
    assert found["left"] < 1000
    # A thread would not live on in the processes that part from this one.
    assert found["threads"] == 1


@pytest.fixture
def unfrozen(monkeypatch):
    """Leave the garbage collection of the tests' own process as it is."""
    monkeypatch.setattr(warmup.gc, "freeze", lambda: None)


def test_a_worker_that_cannot_run_a_small_job_starts_all_the_same(monkeypatch, unfrozen):
    monkeypatch.setattr(warmup, "JOBS", ({"name": "CDAT.unheard"},))
    with capture_logs() as logs:
        warmup.warm_up()
    assert [line["event"] for line in logs] == ["the worker is not warm"]


def test_jobs_do_not_wait_for_all_loops_to_be_compiled(monkeypatch, unfrozen):
    monkeypatch.setattr(warmup, "LONGEST_SECONDS", 0.0)
    with capture_logs() as logs:
        warmup.warm_up()
    assert [line["reason"] for line in logs] == [f"0 of {len(warmup.JOBS)} loaded"]
