"""Big jobs on a dask cluster of their own, as processes of this machine."""

import threading
from dataclasses import dataclass

import numpy as np
import pytest
import xarray as xr

from compute.provisioner.tests.plant import Plant, archive_file, plant
from compute.testing import client
from compute.tests.waiting import eventually
from compute_tasks.tests.servers import files, web

pytestmark = pytest.mark.integration

BEGIN, LENGTH = 2 * 2**20, 40_000_000
"""What lies behind the first two blocks of the large file is data, of so many bytes."""


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    settings = {"COMPUTE_DASK_THRESHOLD": "1", "COMPUTE_WORKER_THREADS": "2"}
    with plant(tmp_path_factory.mktemp("dask"), settings) as running:
        running.pool("workers", minimum=1, maximum=1, idle_seconds=600)
        yield running


def dask_nodes(service: Plant) -> list[dict]:
    return [node for node in service.present() if node["name"].startswith("dask-")]


def result(service: Plant, job: str) -> xr.Dataset:
    (path,) = (service.data_dir / "outputs").glob(f"*/{job}/*.nc")
    return xr.open_dataset(path).load()


def without_cluster(service: Plant, path) -> xr.Dataset:
    """Compute the same in this process, on threads."""
    expected = xr.open_dataset(path)["tas"].astype("f8")
    return expected.mean(["lat", "lon"])


def test_without_a_pool_for_it_a_big_job_runs_on_its_worker(service):
    job = service.mean(archive_file(service))

    service.all_succeed([job], 120)
    assert "there is no dask cluster; computing without one" in client.messages(service.url, job)


def test_a_big_job_computes_on_a_cluster_that_is_gone_afterwards(service):
    service.pool("dask", role="dask", maximum=3, bytes_per_node=1)
    path = archive_file(service)
    job = service.mean(path)

    service.all_succeed([job], 120)
    said = client.messages(service.url, job)
    assert "computing on a dask cluster" in said
    assert not any("failed" in message for message in said)
    np.testing.assert_allclose(
        result(service, job)["tas"], without_cluster(service, path), rtol=1e-12
    )
    eventually(lambda: not dask_nodes(service), 30)
    started = [node for node in service.nodes(pool="dask") if node["started"]]
    assert {node["state"] for node in started} == {"stopped"}


@pytest.fixture
def large(tmp_path, service):
    """A remote file whose data are not sent before `gate` is set; `asked` says somebody waits."""
    eventually(lambda: not dask_nodes(service), 60)
    data = np.random.default_rng(0).normal(size=(LENGTH // 2_000_000, 500, 500))
    dataset = xr.Dataset({"tas": (("time", "lat", "lon"), data)}, {"lat": range(500)})
    dataset.to_netcdf(tmp_path / "large.nc", encoding={"tas": {"_FillValue": None}})
    gate, asked = threading.Event(), threading.Event()
    respond = files(tmp_path)

    def held(request):
        start = request.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0]
        if BEGIN < int(start) < BEGIN + LENGTH / 2:
            asked.set()
            gate.wait(60)
        return respond(request)

    with web(held) as server:
        yield Large(f"{server.url}/large.nc", data.mean((1, 2)), gate, asked)
        gate.set()


@dataclass
class Large:
    address: str
    mean: np.ndarray
    gate: threading.Event
    asked: threading.Event


def kill(service: Plant, kind: str) -> None:
    for node in dask_nodes(service):
        if node["name"].rpartition("-")[2].startswith(kind):
            service.kill(node["name"])


def test_a_job_whose_dask_workers_are_killed_only_takes_longer(service, large):
    job = service.mean(large.address)
    assert large.asked.wait(120)
    kill(service, "w")
    large.gate.set()

    service.all_succeed([job], 120)
    assert not any("failed" in message for message in client.messages(service.url, job))
    np.testing.assert_allclose(result(service, job)["tas"], large.mean, rtol=1e-12)
    lost = [n["name"] for n in service.nodes(pool="dask") if n["state"] in ("lost", "failed")]
    assert len(lost) == 2


def test_a_job_whose_dask_scheduler_is_killed_computes_without_it(service, large):
    job = service.mean(large.address)
    assert large.asked.wait(120)
    kill(service, "s")
    large.gate.set()

    service.all_succeed([job], 120)
    assert any("the dask cluster failed" in said for said in client.messages(service.url, job))
    np.testing.assert_allclose(result(service, job)["tas"], large.mean, rtol=1e-12)
