"""Runs on a real dask cluster, against the same runs on threads."""

import contextlib
import json
import pickle
import threading

import distributed
import numpy as np
import pytest
import xarray as xr

from compute_tasks import cluster
from compute_tasks.cluster import Cluster
from compute_tasks.document import parse
from compute_tasks.errors import Cancelled
from compute_tasks.plan import build
from compute_tasks.run import run
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.tests import data


@pytest.fixture(scope="module")
def place():
    """A cluster whose workers are threads of this process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None
    ) as running:
        yield running


@pytest.fixture
def compute(tmp_path):
    """Return a function that runs a process on a file and returns its result."""
    path = data.write(data.tas((2000, 2001), frequency="day", nlat=32, nlon=64), tmp_path / "in.nc")

    def execute(name, address="", dismissed=False, **parameters):
        texts = {
            "variable": json.dumps([{"uri": str(path), "id": "tas|v0"}]),
            "domain": "[]",
            "operation": json.dumps([{"name": name, "result": "o", "input": ["v0"], **parameters}]),
        }
        entered = []

        def clusters(estimate):
            entered.append(estimate)
            return contextlib.nullcontext(Cluster(address) if address else None)

        (output,) = run(
            build(parse(name, **texts)),
            sources=SourcePolicy(roots=(tmp_path,), notice=print),
            workspace=tmp_path / "workspace",
            destination=tmp_path / f"out-{bool(address)}",
            uid="0" * 32,
            provenance={},
            clusters=clusters,
            report=lambda percent, message: None,
            cancelled=lambda: dismissed and bool(entered),
        )
        with xr.open_dataset(output.path) as result:
            return result.load()

    return execute


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("CDAT.mean", {"axes": "time"}), ("CDAT.sqrt", {}), ("CDAT.max", {"axes": "lat|lon"})],
)
def test_a_cluster_gives_the_numbers_of_threads(compute, place, name, parameters):
    here = compute(name, **parameters)
    before = place.scheduler.transition_counter
    there = compute(name, place.scheduler_address, **parameters)

    assert place.scheduler.transition_counter > before
    assert set(there.variables) == set(here.variables)
    np.testing.assert_allclose(there["tas"], here["tas"], rtol=1e-12)
    assert there["tas"].attrs == here["tas"].attrs


def test_a_cluster_that_does_not_answer_is_done_without(compute, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.2)
    here = compute("CDAT.mean", axes="time")
    result = compute("CDAT.mean", "tcp://127.0.0.1:1", axes="time")

    xr.testing.assert_identical(result["tas"], here["tas"])


GATE = threading.Event()


def hold():
    GATE.wait(60)


def test_a_run_that_is_dismissed_does_not_wait_for_its_cluster(compute, place):
    with distributed.Client(place, set_as_default=False) as client:
        held = [client.submit(hold, pure=False) for _ in range(2)]
        try:
            with pytest.raises(Cancelled):
                compute("CDAT.sqrt", place.scheduler_address, dismissed=True)
            assert not any(future.done() for future in held)
        finally:
            GATE.set()


def test_what_a_source_tells_its_reader_stays_here():
    policy = SourcePolicy(attempts=7, notice=lambda message: None)

    copy = pickle.loads(pickle.dumps(policy))

    assert copy == policy
    copy.notice("nobody hears this")
