"""What the control plane remembers: pools, nodes, groups, boot profiles, events, who leads.

People change records through `records`, the loop and the workers through `nodes`; each of them by
conditional updates. `version` counts what people changed and nothing else, so that the loop can
make its updates depend on it, and a person's `If-Match` is not spoilt by a heartbeat.
"""

from typing import Self

from django.db import models
from django.utils import timezone

from compute.provisioner.states import (
    PRESENT,
    Backend,
    Capacity,
    Circuit,
    NodeState,
    Role,
    Target,
)

__all__ = [
    "KEPT",
    "LONGEST_NAME",
    "LONGEST_POOL_NAME",
    "PRESENT",
    "Backend",
    "BootProfile",
    "Capacity",
    "Circuit",
    "Cluster",
    "Event",
    "EventType",
    "Group",
    "Kind",
    "Leader",
    "Node",
    "NodeJob",
    "NodeQuerySet",
    "NodeState",
    "Pool",
    "Record",
    "Role",
    "Target",
]

LONGEST_NAME = 63
"""Characters of a DNS label."""

LONGEST_POOL_NAME = 48
"""Leaves room for what the names of a pool's nodes end in."""


class Record(models.Model):
    """What pools, nodes, groups and boot profiles have in common."""

    description = models.TextField(blank=True)
    labels = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    created = models.DateTimeField(default=timezone.now)
    updated = models.DateTimeField(default=timezone.now)

    class Meta:
        """Only what is derived from it has a table."""

        abstract = True


class Pool(Record):
    """Nodes that are alike, and how many of them there may be.

    `queue` is the one whose jobs the nodes take. Between `minimum` and `maximum` nodes are kept;
    `jobs_per_node` jobs, or `bytes_per_node` estimated bytes, are worth one more; at most `step`
    are started in a round. `fallback` names the pool that is used while the circuit is open.
    `cpu` is in cores, `memory` in bytes, 0 of either is no limit; prices are per node and hour.

    The circuit opens after `failures` failed starts or interruptions within `window_seconds`; the
    first probe comes after `retry_seconds`, the next ones after twice as long each time, up to
    `longest_retry_seconds`. `trips` counts how often it opened without having closed in between.
    """

    name = models.CharField(max_length=LONGEST_POOL_NAME, unique=True)
    backend = models.CharField(max_length=16, choices=Backend.choices, default=Backend.LOCAL)
    role = models.CharField(max_length=8, choices=Role.choices, default=Role.WORKER)
    queue = models.CharField(max_length=64, default="ingress")
    minimum = models.PositiveIntegerField(default=0)
    maximum = models.PositiveIntegerField(default=1)
    capacity = models.CharField(max_length=16, choices=Capacity.choices, default=Capacity.ON_DEMAND)
    fallback = models.CharField(max_length=LONGEST_POOL_NAME, null=True, blank=True)

    cpu = models.FloatField(default=1.0)
    memory = models.PositiveBigIntegerField(default=4 * 2**30)
    gpu = models.PositiveIntegerField(default=0)
    image = models.CharField(max_length=500, blank=True)
    node_selector = models.JSONField(default=dict)
    tolerations = models.JSONField(default=list)
    priority_class = models.CharField(max_length=253, blank=True)
    price_per_hour = models.FloatField(default=0.0)

    jobs_per_node = models.PositiveIntegerField(default=1)
    bytes_per_node = models.PositiveBigIntegerField(default=50_000_000_000)
    step = models.PositiveIntegerField(default=10)
    idle_seconds = models.FloatField(default=300.0)
    cooldown_seconds = models.FloatField(default=60.0)
    start_seconds = models.FloatField(default=300.0)
    heartbeat_seconds = models.FloatField(default=10.0)
    grace_seconds = models.FloatField(default=30.0)
    drain_seconds = models.FloatField(default=600.0)

    failures = models.PositiveIntegerField(default=3)
    window_seconds = models.FloatField(default=600.0)
    retry_seconds = models.FloatField(default=60.0)
    longest_retry_seconds = models.FloatField(default=3600.0)

    circuit = models.CharField(max_length=16, choices=Circuit.choices, default=Circuit.CLOSED)
    circuit_since = models.DateTimeField(null=True)
    circuit_until = models.DateTimeField(null=True)
    trips = models.PositiveIntegerField(default=0)
    last_scaled = models.DateTimeField(null=True)

    class Meta:
        """By name."""

        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BootProfile(Record):
    """How a bare-metal node is booted, and who may log in to it."""

    name = models.CharField(max_length=LONGEST_NAME, unique=True)
    ssh_key = models.TextField(blank=True)
    admin_user = models.CharField(max_length=32, blank=True)
    user_data = models.TextField(blank=True)
    image_url = models.CharField(max_length=2000, blank=True)
    kernel_url = models.CharField(max_length=2000, blank=True)
    initrd_url = models.CharField(max_length=2000, blank=True)
    kernel_parameters = models.TextField(blank=True)

    class Meta:
        """By name."""

        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class NodeQuerySet(models.QuerySet["Node"]):
    """Searches for nodes."""

    def kept(self) -> Self:
        """Leave out what was deleted and has ended; those rows stay for the usage only."""
        return self.filter(KEPT)

    def present(self) -> Self:
        """Keep only nodes that are there or about to be."""
        return self.filter(state__in=PRESENT)


KEPT = models.Q(deleted__isnull=True) | models.Q(state__in=PRESENT)
"""What the list of nodes shows, and whose names, xnames and MAC addresses are taken."""


class Node(Record):
    """A machine, pod or process that jobs run on.

    A node whose `pool` is null is only a record, such as of a machine no backend boots: its state
    is stopped and stays so. `pool_name` outlives the pool. `by_hand` nodes were created by a
    person; the policy starts and replaces them but never scales them in. What the backend calls
    the node (process, pod) is its `reference`. cpu, memory, gpu, image, capacity and prices are
    those of the pool when the node was created; `on_demand_price_per_hour` is what the same
    time would have cost there. `job` is the one a dask node works for.

    `started` is when the backend started it, `ready_at` when it took up work, `ended` when it was
    seen to be gone: costs run from `started` to `ended`. `deleted` is when somebody asked to be
    rid of it.
    """

    name = models.CharField(max_length=LONGEST_NAME)
    owner = models.CharField(max_length=150, blank=True)
    pool = models.ForeignKey(Pool, models.SET_NULL, null=True, related_name="nodes")
    pool_name = models.CharField(max_length=LONGEST_POOL_NAME, blank=True)
    state = models.CharField(max_length=10, choices=NodeState.choices, default=NodeState.REQUESTED)
    target = models.CharField(max_length=8, choices=Target.choices, default=Target.RUNNING)
    reason = models.TextField(blank=True)
    by_hand = models.BooleanField(default=False)
    interrupted = models.BooleanField(default=False)
    reference = models.CharField(max_length=255, blank=True)
    job = models.UUIDField(null=True)

    cpu = models.FloatField(default=0.0)
    memory = models.PositiveBigIntegerField(default=0)
    gpu = models.PositiveIntegerField(default=0)
    image = models.CharField(max_length=500, blank=True)
    capacity = models.CharField(max_length=16, choices=Capacity.choices, default=Capacity.ON_DEMAND)
    price_per_hour = models.FloatField(default=0.0)
    on_demand_price_per_hour = models.FloatField(default=0.0)

    requested = models.DateTimeField(default=timezone.now)
    started = models.DateTimeField(null=True)
    ready_at = models.DateTimeField(null=True)
    heartbeat = models.DateTimeField(null=True)
    idle_since = models.DateTimeField(null=True)
    drain_deadline = models.DateTimeField(null=True)
    ended = models.DateTimeField(null=True)
    deleted = models.DateTimeField(null=True)

    xname = models.CharField(max_length=63, blank=True)
    management_address = models.CharField(max_length=45, blank=True)
    bmc_address = models.CharField(max_length=45, blank=True)
    bmc_mac = models.CharField(max_length=17, blank=True)
    boot_mac = models.CharField(max_length=17, blank=True)
    architecture = models.CharField(max_length=16, blank=True)
    boot_profile = models.ForeignKey(BootProfile, models.PROTECT, null=True, related_name="nodes")

    objects = NodeQuerySet.as_manager()

    class Meta:
        """What tells machines apart belongs to one record at a time."""

        ordering = ["name", "id"]
        indexes = [
            models.Index(fields=["state"], name="node_state"),
            models.Index(fields=["pool", "state"], name="node_pool"),
            models.Index(fields=["pool_name", "started"], name="node_usage"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["name"], condition=KEPT, name="node_name"),
            *(
                models.UniqueConstraint(
                    fields=[field],
                    condition=KEPT & ~models.Q(**{field: ""}),
                    name=f"node_{field}",
                )
                for field in ("xname", "bmc_mac", "boot_mac")
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def of_pool(cls, pool: Pool, name: str, **fields: object) -> Self:
        """Return an unsaved node with what the pool gives its nodes; `fields` win."""
        copied = ("cpu", "memory", "gpu", "image", "capacity", "price_per_hour")
        given = {field: getattr(pool, field) for field in copied}
        return cls(
            **{
                **given,
                "on_demand_price_per_hour": _on_demand_price(pool),
                **fields,
                "name": name,
                "pool": pool,
                "pool_name": pool.name,
                "labels": {**pool.labels, **fields.get("labels", {})},  # type: ignore[dict-item]
            }
        )


def _on_demand_price(pool: Pool) -> float:
    """Return what a node of the pool's fallback costs, its own price where there is none."""
    if pool.capacity != Capacity.SPOT or not pool.fallback:
        return pool.price_per_hour
    prices = Pool.objects.filter(name=pool.fallback).values_list("price_per_hour", flat=True)
    return prices.first() or pool.price_per_hour


class NodeJob(models.Model):
    """Time a node spent on an attempt of a job; `ended` is null while it runs."""

    node = models.ForeignKey(Node, models.CASCADE, related_name="jobs")
    job = models.UUIDField(db_index=True)
    attempt = models.PositiveSmallIntegerField(default=0)
    owner = models.CharField(max_length=150, blank=True)
    started = models.DateTimeField()
    ended = models.DateTimeField(null=True)

    class Meta:
        """In the order they were taken."""

        ordering = ["started", "id"]
        indexes = [
            models.Index(
                fields=["node"], name="node_job_open", condition=models.Q(ended__isnull=True)
            )
        ]

    def __str__(self) -> str:
        return f"job {self.job} on {self.node_id}"


class Cluster(models.Model):
    """Nodes that compute one attempt of one big job together: a dask scheduler and its workers.

    `workers` is how many there are to be, of the pool `pool`. The nodes' names begin with `name`.
    `address` is where the scheduler listens, empty until it does. `credentials` are PEM texts
    without which nobody talks to it.
    """

    name = models.CharField(max_length=LONGEST_NAME, primary_key=True)
    job = models.UUIDField()
    attempt = models.PositiveIntegerField()
    owner = models.CharField(max_length=150, blank=True)
    pool = models.ForeignKey(Pool, models.CASCADE, related_name="clusters")
    workers = models.PositiveIntegerField()
    address = models.CharField(max_length=255, blank=True)
    credentials = models.JSONField(default=dict)
    created = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return self.name


class Group(Record):
    """Nodes under one name: those in `nodes`, or those that carry every label of `selector`."""

    name = models.CharField(max_length=LONGEST_NAME, unique=True)
    nodes = models.JSONField(default=list)
    selector = models.JSONField(default=dict)

    class Meta:
        """By name."""

        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Kind(models.TextChoices):
    """Kinds of records, as YAML documents and events name them."""

    POOL = "Pool"
    COMPUTE_NODE = "ComputeNode"
    GROUP = "Group"
    BOOT_PROFILE = "BootProfile"


class EventType(models.TextChoices):
    """Whether somebody should look."""

    NORMAL = "normal"
    WARNING = "warning"


class Event(models.Model):
    """Something that happened to a record; written in the transaction that did it, never changed.

    `reason` is one word for machines, `text` a sentence for people. `actor` is who did it: the
    name of a caller, `provisioner`, or `node`. `owner` and `pool` are those of the node.
    """

    time = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    name = models.CharField(max_length=LONGEST_NAME)
    type = models.CharField(max_length=8, choices=EventType.choices, default=EventType.NORMAL)
    reason = models.CharField(max_length=64)
    text = models.TextField(blank=True)
    actor = models.CharField(max_length=150)
    owner = models.CharField(max_length=150, blank=True)
    pool = models.CharField(max_length=LONGEST_POOL_NAME, blank=True)

    class Meta:
        """In the order they happened."""

        ordering = ["id"]
        indexes = [models.Index(fields=["kind", "name"], name="event_record")]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}: {self.reason}"


class Leader(models.Model):
    """Who acts. Every change of the loop depends on its `generation` being the present one."""

    name = models.CharField(max_length=63, primary_key=True)
    holder = models.CharField(max_length=255)
    generation = models.PositiveBigIntegerField(default=1)
    expires = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.holder} leads {self.name}"
