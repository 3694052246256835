"""A dask cluster for a job that is too big for one machine, from whoever the settings name."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.utils.module_loading import import_string

from compute_tasks.cluster import Cluster
from compute_tasks.errors import Cancelled
from compute_tasks.estimate import Estimate
from compute_tasks.parts import Stopped
from compute_wps import drain
from compute_wps.lease import Lease


@contextmanager
def cluster_for(lease: Lease, estimate: Estimate) -> Iterator[Cluster | None]:
    """Give a cluster for the job as long as the context lasts; None for a job without one.

    Raises Cancelled or Stopped when the job ends while its cluster is waited for.
    """
    threshold = settings.COMPUTE.dask_threshold
    if not 0 < threshold < estimate.input_bytes:
        yield None
        return

    def check() -> None:
        if lease.lost():
            raise Cancelled("the job was dismissed")
        if drain.stopping():
            raise Stopped

    lease.note("waiting for a dask cluster")
    clusters = import_string(settings.CLUSTERS)
    with clusters(lease.job, estimate.input_bytes, check) as place:
        if place is None:
            lease.note("there is no dask cluster; computing without one")
        yield place and Cluster(place.address, place.credentials, place.seconds)
