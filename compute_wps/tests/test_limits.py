"""What one caller may ask for, and what a refusal says."""

import json
import os
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from compute_wps import jobs, lease, limits, results, tasks, upkeep
from compute_wps.identity import Caller, caller, network
from compute_wps.models import Job, Output, State
from compute_wps.tests.workflows import report

pytestmark = pytest.mark.database

ALICE, BOB = Caller("alice", "alice"), Caller("bob", "bob")
GIGABYTE = 10**9


@pytest.fixture
def limit(settings):
    """Set limits for one test."""

    def change(**values):
        settings.COMPUTE = django_settings.COMPUTE.model_copy(update=values)

    return change


@pytest.fixture
def post(client, workflow, transactional_db):
    """Send the workflow from an address and return status and, of a refusal, code and text."""

    def send(address="192.0.2.1", **headers):
        response = client.post(
            "/wps",
            workflow.document(),
            content_type="text/xml",
            REMOTE_ADDR=address,
            headers=headers,
        )
        refusal = (None, None) if response.status_code == 200 else report(response)[::2]
        return response.status_code, *refusal

    return send


def finished(job, **output):
    held = jobs.claim(job.id, "w1")
    assert jobs.succeed(held.id, "w1", held.attempt, [Output(identifier="output", **output)])
    return held


def run(job):
    tasks.run_job(str(job.id))
    job.refresh_from_db()
    return job


def test_an_address_may_have_so_many_jobs_waiting(post, limit):
    limit(queued_jobs=2)
    assert [post()[0] for _ in range(2)] == [200, 200]
    status, code, text = post()
    assert (status, code) == (429, "ServerBusy")
    assert "you have 2 jobs waiting, and 2 may wait" in text
    assert "COMPUTE_QUEUED_JOBS" in text
    assert "DELETE" in text
    assert Job.objects.count() == 2


def test_another_address_is_not_held_to_it(post, limit):
    limit(queued_jobs=1)
    assert post("192.0.2.1")[0] == post("192.0.2.2")[0] == 200
    assert post("192.0.2.1")[0] == 429


def test_a_job_that_has_started_waits_no_more(post, limit):
    limit(queued_jobs=1)
    post()
    jobs.claim(Job.objects.get().id, "w1")
    assert post()[0] == 200


def test_what_a_proxy_forwards_counts_only_when_it_is_trusted(post, limit):
    limit(queued_jobs=1)
    assert post(x_forwarded_for="203.0.113.1")[0] == 200
    assert post(x_forwarded_for="203.0.113.2")[0] == 429
    limit(queued_jobs=1, trusted_proxy=True)
    assert post(x_forwarded_for="203.0.113.1")[0] == 200
    # The client may write what it likes in front of the address the proxy appends.
    assert post(x_forwarded_for="198.51.100.9, 203.0.113.1")[0] == 429
    assert post(x_forwarded_for="203.0.113.3")[0] == 200


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", "unknown"),
        ("unix:", "unknown"),
    ],
)
def test_an_address_counts_as_the_network_of_one_customer(address, counted):
    assert network(address) == counted
    request = RequestFactory().get("/", REMOTE_ADDR=address)
    assert caller(request) == Caller("anonymous", f"anonymous@{counted}")


def test_no_more_results_are_kept_than_the_storage_of_a_user(accept, job, limit):
    finished(accept(caller=ALICE), size=3 * GIGABYTE)
    limit(storage_bytes=3 * GIGABYTE)
    with pytest.raises(limits.ProtocolError) as caught:
        accept(caller=ALICE)
    assert caught.value.code == "NotEnoughStorage"
    assert "your results take 3 GB, and 3 GB are kept" in caught.value.text
    assert accept(caller=BOB)


def test_removed_results_give_their_storage_back(accept, transactional_db, limit):
    done = finished(accept(caller=ALICE), size=3 * GIGABYTE)
    limit(storage_bytes=3 * GIGABYTE)
    jobs.dismiss(done.id)
    assert accept(caller=ALICE)


def test_little_room_on_the_disk_refuses_new_work(post, limit):
    limit(least_free_bytes=10**18)
    status, code, text = post()
    assert (status, code) == (400, "NotEnoughStorage")
    assert "1e+06 TB of it are kept free" in text
    assert "COMPUTE_LEAST_FREE_BYTES" in text


@pytest.mark.parametrize(
    ("values", "code", "words"),
    [
        ({"input_bytes": 4_000}, "FileSizeExceeded", "reads 4.61 kB, and a job may read 4 kB"),
        ({"output_bytes": 100}, "FileSizeExceeded", "have 192 bytes before compression"),
        ({"storage_bytes": 191}, "NotEnoughStorage", "have 192 bytes before compression"),
    ],
)
def test_a_job_that_would_exceed_a_limit_fails_before_it_computes(job, limit, values, code, words):
    limit(**values)
    assert run(job).status == State.FAILED
    assert job.error_code == code
    assert words in job.error_text
    (name,) = values
    assert f"COMPUTE_{name.upper()}" in job.error_text
    assert "choose a smaller region" in job.error_text
    assert not results.folder(job).exists()


def test_a_job_below_each_limit_runs(job, limit):
    limit(input_bytes=4_608, output_bytes=192, storage_bytes=192)
    assert run(job).status == State.SUCCEEDED


def test_a_smaller_domain_gets_below_the_limit(transactional_db, accept, workflow, limit):
    limit(input_bytes=3_000)
    operation = json.loads(workflow.texts["operation"])[0] | {"domain": "d"}
    domain = {"id": "d", "time": {"start": 0, "end": 12, "crs": "indices"}}
    texts = {"operation": json.dumps([operation]), "domain": json.dumps([domain])}
    assert run(accept(**texts)).status == State.SUCCEEDED


def test_room_is_kept_free_for_what_runs(job, limit):
    free = limits.free_bytes()
    limit(least_free_bytes=free + GIGABYTE)
    assert run(job).error_code == "NotEnoughStorage"
    assert "kept free" in job.error_text


def test_a_job_that_runs_for_too_long_is_stopped_and_told_why(job, limit):
    held = jobs.claim(job.id, "w1")
    limit(job_seconds=60)
    assert jobs.heartbeat(held.id, "w1", held.attempt, 59.5)
    assert not jobs.heartbeat(held.id, "w1", held.attempt, 0.5)
    job.refresh_from_db()
    assert job.status == State.FAILED
    assert "longer than the 0:01:00" in job.error_text
    assert "COMPUTE_JOB_SECONDS" in job.error_text


def test_the_time_of_all_attempts_counts(job, limit):
    limit(job_seconds=60)
    for worker in ("w1", "w2"):
        held = jobs.claim(job.id, worker)
        assert jobs.heartbeat(held.id, worker, held.attempt, 25)
        jobs.release(held.id, worker, held.attempt)
    held = jobs.claim(job.id, "w3")
    assert not jobs.heartbeat(held.id, "w3", held.attempt, 10)


def test_a_date_that_jumps_ends_no_running_job(job, limit):
    limit(job_seconds=60)
    held = jobs.claim(job.id, "w1")
    Job.objects.update(started=timezone.now() - timedelta(days=365))
    upkeep.maintain()
    assert jobs.heartbeat(held.id, "w1", held.attempt, 1)


def test_a_worker_tells_how_long_it_ran_by_a_clock_that_cannot_be_set(job, limit, monkeypatch):
    seconds = [0.0]
    monkeypatch.setattr(lease.time, "monotonic", lambda: seconds[0])
    held = lease.Lease(jobs.claim(job.id, "w1"))
    for seconds[0] in (10.0, 25.0):
        held.look(extend=True)
    job.refresh_from_db()
    assert job.ran == 25


GREEDY = """
import django, sys
django.setup()
from django.db import connection
import numpy
from compute_wps import limits, tasks, work
connection.settings_dict["NAME"] = sys.argv[1]
limits.bound_memory()
real = work.run

def greedy(*_, **__):
    kept = []
    while True:
        kept.append(numpy.ones(2**24))

work.run = greedy
tasks.run_job(sys.argv[2])
work.run = real
tasks.run_job(sys.argv[3])
"""


def test_a_job_that_needs_more_memory_than_there_is_fails_alone(transactional_db, accept):
    """Both jobs run in one process, which the first one does not harm."""
    greedy, next_one = accept(), accept()
    name = connection.settings_dict["NAME"]
    bound = os.environ | {"COMPUTE_PROCESS_MEMORY_BYTES": str(2 * GIGABYTE)}
    command = [sys.executable, "-c", GREEDY, str(name), str(greedy.id), str(next_one.id)]
    subprocess.run(command, env=bound, check=True, timeout=120)
    greedy.refresh_from_db()
    assert (greedy.status, greedy.error_code) == (State.FAILED, "FileSizeExceeded")
    assert "more memory than the 2 GB" in greedy.error_text
    assert "COMPUTE_PROCESS_MEMORY_BYTES" in greedy.error_text
    next_one.refresh_from_db()
    assert next_one.status == State.SUCCEEDED


def test_time_in_the_queue_is_not_run_time(job, limit):
    limit(job_seconds=60)
    Job.objects.update(accepted=timezone.now() - timedelta(days=1))
    held = jobs.claim(job.id, "w1")
    assert jobs.heartbeat(held.id, "w1", held.attempt)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2 * 10**12, "2 TB")],
)
def test_sizes_are_shown_as_people_read_them(count, text):
    assert limits.shown(count) == text


FULL = """
import subprocess, sys
from pathlib import Path
import dask.array, numpy, xarray
from compute_tasks.engine.expression import Pointwise
from compute_tasks.engine.field import Field
from compute_tasks.engine.write import write as stream
from compute_tasks.errors import NoSpace
from compute_tasks.outputs.files import Result, write
from compute_wps.protocol.exceptions import describe

folder, format, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
values = numpy.random.default_rng(1).random((1500, 1000))
if kind == "lazy":
    values = dask.array.from_array(values, chunks=(100, 1000))
if kind == "streamed":
    values = Field(Pointwise(numpy.positive, (values,), values.shape, values.dtype))
dataset = xarray.Dataset({"tas": (("t", "x"), values)})
try:
    write([Result("o", "p", dataset)], folder / "out", uid="0123456789", format=format,
          split_bytes=0, compute=lambda graph: graph.compute(),
          stream=lambda fields, guard: stream(fields, threads=2, memory_bytes=10**9,
                                              report=lambda share: None, guard=guard),
          finishing=lambda count: None)
except NoSpace as error:
    left = [path for path in folder.rglob("*") if path.is_file()]
    sys.exit(f"{describe(error).code} {left} {error.message}")
"""


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
@pytest.mark.parametrize("data", ["lazy", "loaded", "streamed"])
def test_a_full_disk_is_said_and_leaves_no_file(tmp_path, format, data):
    """The disk is a small one in memory, seen by a child process only."""
    if not shutil.which("unshare"):
        pytest.skip("needs unshare")
    mount = f"mount -t tmpfs -o size=5m tmpfs {tmp_path} && exec "
    command = [sys.executable, "-c", FULL, str(tmp_path), format, data]
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{mount} "$@"', "sh"]
    done = subprocess.run([*inside, *command], capture_output=True, text=True, timeout=120)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("needs a mount of its own")
    assert "NotEnoughStorage [] the disk for results is full" in done.stderr
