"""Dask clusters as records: which nodes a big job gets, and how they go."""

import pytest
from django.utils import timezone

from compute.provisioner import clusters
from compute.provisioner.models import Cluster, Node, NodeJob, NodeState, Pool, Target
from compute_wps import jobs
from compute_wps.models import Job, State

pytestmark = [pytest.mark.database, pytest.mark.django_db(transaction=True)]


class Ended(Exception):
    """What a test ends the waiting with."""


def end():
    raise Ended


@pytest.fixture
def job(transactional_db):
    now = timezone.now()
    waiting = Job.objects.create(
        identifier="CDAT.mean", document="", queue="ingress", accepted=now, updated=now
    )
    return jobs.claim(waiting.id, "worker")


def pool(name, **fields):
    usual = {"role": "dask", "maximum": 5, "bytes_per_node": 100, "start_seconds": 30}
    return Pool.objects.create(name=name, **usual | fields)


def request(job, size=250, check=end):
    """Ask for a cluster and leave before it has come; return what was recorded meanwhile."""
    found = []

    def look():
        found.extend((n.name, n.pool_name) for n in Node.objects.order_by("id"))
        check()

    with pytest.raises(Ended), clusters.cluster_for(job, size, look):
        pass
    return found


def test_a_cluster_is_a_scheduler_on_demand_and_the_cheapest_workers(job):
    pool("steady", price_per_hour=2)
    pool("spot", capacity="spot", price_per_hour=1)
    pool("workers", role="worker")
    name = f"dask-{job.id.hex[:8]}-1"

    assert request(job) == [
        (f"{name}-s", "steady"),
        (f"{name}-w0", "spot"),
        (f"{name}-w1", "spot"),
        (f"{name}-w2", "spot"),
    ]


def test_whoever_leaves_has_the_nodes_stopped_and_the_cluster_forgotten(job):
    pool("steady")
    request(job)

    assert {node.target for node in Node.objects.all()} == {Target.STOPPED}
    assert not Cluster.objects.exists()


def test_a_cluster_takes_no_more_room_than_its_pool_has(job):
    pool("steady", maximum=2)

    assert len(request(job, size=10**6)) == 2


@pytest.mark.parametrize("maximum", [None, 0, 1])
def test_without_room_there_is_no_cluster(job, maximum):
    if maximum is not None:
        pool("steady", maximum=maximum)

    with clusters.cluster_for(job, 250, end) as place:
        assert place is None
    assert not Node.objects.exists()


def test_a_pool_whose_circuit_is_open_gives_no_workers(job):
    pool("steady", price_per_hour=2)
    pool("spot", capacity="spot", price_per_hour=1, circuit="open")

    assert {where for _, where in request(job)} == {"steady"}


def test_who_waits_learns_where_the_scheduler_listens(job):
    pool("steady")

    def publish():
        (cluster,) = Cluster.objects.all()
        assert clusters.published(f"{cluster.name}-s", "tls://host:1")

    with clusters.cluster_for(job, 250, publish) as place:
        assert place.address == "tls://host:1"
        assert 0 < place.seconds <= 30
        assert place.credentials["tls_client_key"].startswith("-----BEGIN")


def test_a_scheduler_that_ends_before_it_listens_is_not_waited_for(job):
    pool("steady")

    def fail():
        Node.objects.filter(name__endswith="-s").update(state=NodeState.FAILED)

    with clusters.cluster_for(job, 250, fail) as place:
        assert place is None


@pytest.fixture
def cluster(job):
    """A cluster whose scheduler listens and whose worker is gone without a word."""
    pool("steady")
    made = clusters._request(job, 250)
    clusters.published(f"{made.name}-s", "tls://host:1")
    return Cluster.objects.get()


def workers():
    return Node.objects.filter(name__contains="-w", target=Target.RUNNING)


def test_lost_workers_are_replaced(cluster):
    lost = {"state": NodeState.LOST, "target": Target.STOPPED}
    workers().filter(name__endswith="w1").update(**lost)
    clusters.tend()
    clusters.tend()

    assert [node.name[-2:] for node in workers().order_by("id")] == ["w0", "w2", "w3"]


def test_a_cluster_goes_when_its_job_does_not_run_any_more(cluster, job):
    clusters.tend()
    assert Cluster.objects.exists()

    Job.objects.filter(pk=job.pk).update(status=State.ACCEPTED)
    clusters.tend()

    assert not Cluster.objects.exists()
    assert not Node.objects.filter(target=Target.RUNNING).exists()


def test_a_cluster_of_an_earlier_attempt_goes(cluster, job):
    Job.objects.filter(pk=job.pk).update(attempt=job.attempt + 1)
    clusters.tend()

    assert not Cluster.objects.exists()


def test_the_time_of_ended_nodes_is_counted_for_the_job_once(cluster, job):
    now = timezone.now()
    Node.objects.filter(name__endswith="w0").update(started=now, ended=now, state=NodeState.STOPPED)
    clusters.tend()
    clusters.tend()

    (work,) = NodeJob.objects.all()
    assert (work.job, work.node.name[-2:]) == (job.id, "w0")
