"""Metrics that need no counting: they are read from the records when Prometheus asks."""

from collections.abc import Iterable, Mapping

from django.db import close_old_connections, connection
from django.db.models import Count, F, Sum
from django.db.models.functions import Coalesce, Now
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from compute.provisioner import allocation, observation
from compute.provisioner.metrics import GAUGES
from compute.provisioner.models import PRESENT, Circuit, Node, Pool
from compute.provisioner.policy import takes_jobs

Values = Mapping[tuple[str, ...], float]


class Gauges(Collector):
    """Asks the database; the labels and meanings are those of `metrics.GAUGES`."""

    def describe(self) -> Iterable[Metric]:
        """Name nothing in advance: registering must not need a database."""
        return []

    def collect(self) -> Iterable[Metric]:
        """Return the metrics as they are now."""
        close_old_connections()
        try:
            found = {**_nodes(), **_scale(), **_cost()}
        finally:
            connection.close()
        for name, values in found.items():
            text, labels = GAUGES[name]
            family = GaugeMetricFamily(name, text, labels=labels)
            for key, value in values.items():
                family.add_metric(key, value)
            yield family


def _nodes() -> dict[str, Values]:
    rows = Node.objects.filter(state__in=PRESENT).order_by()
    counts = rows.values_list("pool_name", "state", "capacity").annotate(Count("pk"))
    circuits: Values = {
        (pool, state): float(state == circuit)
        for pool, circuit in Pool.objects.values_list("name", "circuit")
        for state in Circuit.values
    }
    return {
        "provisioner_nodes": {tuple(key): count for *key, count in counts},
        "provisioner_circuit": circuits,
    }


def _scale() -> dict[str, Values]:
    picture = observation.take({})
    alive = {
        pool.name: [node for node in picture.nodes if node.pool == pool.name and takes_jobs(node)]
        for pool in picture.pools
    }
    wanted = allocation.wanted(picture.demand, picture.pools, alive)
    waiting: Values = {(queue,): float(len(jobs)) for queue, jobs in picture.demand.waiting.items()}
    return {
        "provisioner_wanted_nodes": {(pool,): count for pool, count in wanted.items()},
        "provisioner_present_nodes": {(pool,): len(nodes) for pool, nodes in alive.items()},
        "provisioner_queue": waiting,
        "provisoner_queue_total": {(): sum(waiting.values())},
    }


def _cost() -> dict[str, Values]:
    prices = ("pool_name", "price_per_hour", "on_demand_price_per_hour")
    rows = Node.objects.filter(started__isnull=False).order_by().values_list(*prices)
    rows = rows.annotate(time=Sum(Coalesce("ended", Now()) - F("started")))
    cost: dict[tuple[str, ...], float] = {}
    saved: dict[tuple[str, ...], float] = {}
    for pool, price, usual, time in rows:
        hours = time.total_seconds() / 3600
        cost[(pool,)] = cost.get((pool,), 0.0) + hours * price
        saved[(pool,)] = saved.get((pool,), 0.0) + hours * (usual - price)
    return {"provisioner_cost_total": cost, "provisioner_saved_total": saved}
