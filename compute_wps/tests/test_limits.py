"""What one caller may ask for, and what a refusal says."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
from django.conf import settings as django_settings
from django.test import RequestFactory
from django.utils import timezone

from compute_wps import jobs, limits, results, tasks, upkeep
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
    Job.objects.update(started=timezone.now() - timedelta(seconds=61))
    assert jobs.heartbeat(held.id, "w1", held.attempt)
    limit(job_seconds=60)
    assert not jobs.heartbeat(held.id, "w1", held.attempt)
    job.refresh_from_db()
    assert job.status == State.FAILED
    assert "longer than the 0:01:00" in job.error_text
    assert "COMPUTE_JOB_SECONDS" in job.error_text


def test_a_worker_that_says_nothing_is_stopped_as_well(job, limit):
    jobs.claim(job.id, "w1")
    Job.objects.update(started=timezone.now() - timedelta(seconds=61))
    limit(job_seconds=60)
    upkeep.maintain()
    job.refresh_from_db()
    assert job.status == State.FAILED


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
from compute_tasks.errors import NoSpace
from compute_tasks.outputs.files import Result, write
from compute_wps.protocol.exceptions import describe

folder, format, lazy = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "lazy"
values = numpy.random.default_rng(1).random((1500, 1000))
values = dask.array.from_array(values, chunks=(100, 1000)) if lazy else values
dataset = xarray.Dataset({"tas": (("t", "x"), values)})
try:
    write([Result("o", "p", dataset)], folder / "out", uid="0123456789", format=format,
          split_bytes=0, compute=lambda graph: graph.compute(), finishing=lambda count: None)
except NoSpace as error:
    left = [path for path in folder.rglob("*") if path.is_file()]
    sys.exit(f"{describe(error).code} {left} {error.message}")
"""


@pytest.mark.parametrize("format", ["netcdf4", "netcdf3"])
@pytest.mark.parametrize("data", ["lazy", "loaded"])
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
