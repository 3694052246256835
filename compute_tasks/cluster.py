"""Computing on a dask cluster: blocks are made there, and fetched where they are written.

`distributed` is imported only when there is a cluster.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING, Any

import xarray as xr

from compute_tasks.engine.field import Field
from compute_tasks.estimate import Estimate

if TYPE_CHECKING:
    import dask.array as da
    from distributed import Client, Future

POLL_SECONDS = 0.5
CONNECT_SECONDS = 10.0


class ClusterLost(Exception):
    """The cluster did not come or is gone; what it was to compute can be computed elsewhere."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where a scheduler listens, the PEM texts to talk to it, seconds its first worker may take.

    `credentials` are keywords of `distributed.Security`; without any, nothing is encrypted.
    """

    address: str
    credentials: Mapping[str, str] = field(default_factory=dict, repr=False)
    seconds: float = 60.0


Clusters = Callable[[Estimate], AbstractContextManager[Cluster | None]]
"""Gives the cluster a run of this size is computed on, None for none, while the context lasts."""


def nowhere(estimate: Estimate) -> AbstractContextManager[None]:
    """Give no cluster."""
    return nullcontext()


def spreadable(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset with dask arrays in place of fields, which one process computes."""
    fields = {
        name: _renewed(variable, variable._data.lazy())
        for name, variable in dataset.variables.items()
        if isinstance(variable._data, Field)
    }
    return dataset.assign(fields)


@contextmanager
def spread(
    datasets: Sequence[xr.Dataset], cluster: Cluster, check: Callable[[], None]
) -> Iterator[list[xr.Dataset]]:
    """Have the data variables computed on the cluster.

    Gives the datasets with dask arrays that fetch their blocks when they are computed here, each
    block once. `check` is called while a block is waited for, and ends that by raising. Whatever
    fails on the cluster raises ClusterLost, here or where a block is fetched.
    """
    with _connected(cluster) as client:
        lazy = [_lazy(dataset) for dataset in datasets]
        with _lost("it does not take the work"):
            arrays = iter(client.persist([array for of in lazy for array in of.values()]))
        result = []
        for dataset, names in zip(datasets, lazy, strict=True):
            fetched = {n: _fetching(next(arrays), check) for n in names}
            replaced = {n: _renewed(dataset.variables[n], a) for n, a in fetched.items()}
            result.append(dataset.assign(replaced))
        yield result


def _lazy(dataset: xr.Dataset) -> dict[str, "da.Array"]:
    return {
        str(name): variable.data
        for name, variable in spreadable(dataset).data_vars.items()
        if variable.chunks is not None
    }


def _renewed(variable: xr.Variable, data: Any) -> xr.Variable:
    return variable.copy(data=data)


@contextmanager
def _connected(cluster: Cluster) -> Iterator["Client"]:
    import distributed  # noqa: PLC0415  (only for jobs that need more than one machine)

    security = None
    if cluster.credentials:
        security = distributed.Security(require_encryption=True, **cluster.credentials)
    with _lost("no scheduler answers"):
        client = distributed.Client(
            cluster.address, security=security, timeout=CONNECT_SECONDS, set_as_default=False
        )
    with client:
        with _lost(f"no worker came within {cluster.seconds:g} s"):
            client.wait_for_workers(1, timeout=cluster.seconds)
        yield client


def _fetching(array: "da.Array", check: Callable[[], None]) -> "da.Array":
    """Return an array of the same blocks that takes them from the cluster."""
    import dask.array as da  # noqa: PLC0415  (jobs that stream do not wait for it)
    from distributed import futures_of  # noqa: PLC0415

    futures = {future.key: future for future in futures_of(array)}
    name = f"fetched-{array.name}"
    places = itertools.product(*map(range, array.numblocks))
    graph = {
        (name, *place): (_Block(futures.pop((array.name, *place)), check),) for place in places
    }
    return da.Array(graph, name, array.chunks, meta=array._meta)


class _Block:
    """A block on the cluster; fetching it lets the cluster forget it."""

    def __init__(self, future: "Future", check: Callable[[], None]) -> None:
        self._futures = [future]
        self._check = check
        self._done = Event()
        future.add_done_callback(lambda _: self._done.set())

    def __call__(self) -> Any:
        """Wait for the block and return its values."""
        while not self._done.wait(POLL_SECONDS):
            self._check()
        future = self._futures.pop()
        with _lost("it lost a block"):
            return future.result()


@contextmanager
def _lost(what: str) -> Iterator[None]:
    """Turn every error into ClusterLost: what is wrong with the request shows here as well."""
    try:
        yield
    except Exception as error:
        raise ClusterLost(f"{what}: {type(error).__name__}") from error
