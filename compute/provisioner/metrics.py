"""What the provisioner counts, for Prometheus; names that upstream had mean the same here.

`gauges` tells the rest from the records. Upstream spelt the number of waiting requests
`provisoner_queue_total`; it is there beside the right spelling.
"""

from prometheus_client import Counter, Histogram

SECONDS = (0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
DRAIN_SECONDS = (1, 5, 10, 30, 60, 300, 600, 1800, 7200)

LOOP = Histogram("provisioner_loop_seconds", "Seconds of a round of the loop", buckets=SECONDS)
STATE = Histogram(
    "provisioner_state_process_duration_seconds",
    "Seconds of a step of the loop: observe, decide, apply",
    ["state"],
    buckets=SECONDS,
)
CALL = Histogram(
    "backend_state_process_duration_seconds",
    "Seconds of a call of a backend: start, stop",
    ["state"],
    buckets=SECONDS,
)
RESPONSE = Counter(
    "backend_resource_response", "Answers of backends: ok, refused, away", ["status"]
)
QUEUED = Counter("provisioner_queued", "Nodes recorded to be started")
QUEUE_ERROR = Counter("provisioner_queue_error", "Nodes whose start was refused")
STARTS = Counter("provisioner_starts", "Nodes that backends started", ["pool"])
FAILURES = Counter("provisioner_failures", "Nodes that failed or were lost", ["pool", "state"])
INTERRUPTIONS = Counter("provisioner_interruptions", "Nodes seen to be taken away", ["pool"])
MISSED_HEARTBEAT = Counter("backend_missed_heartbeat", "Nodes lost because they were silent")
RECONNECT = Counter("backend_provisioner_reconnect", "Times a provisioner came to lead")
DRAINS = Histogram(
    "provisioner_drain_seconds", "Seconds from drain to end", ["pool"], buckets=DRAIN_SECONDS
)

GAUGES = {
    "provisioner_nodes": ("Nodes that are there", ("pool", "state", "capacity")),
    "provisioner_wanted_nodes": ("Nodes that are wanted", ("pool",)),
    "provisioner_present_nodes": ("Nodes that take jobs or soon will", ("pool",)),
    "provisioner_circuit": ("1 for the state of a pool's circuit", ("pool", "state")),
    "provisioner_queue": ("Jobs that wait for a node", ("queue",)),
    "provisoner_queue_total": ("Jobs that wait for a node, in all (upstream's spelling)", ()),
    "provisioner_cost_total": ("What nodes have cost", ("pool",)),
    "provisioner_saved_total": ("What spot nodes cost less than on-demand ones", ("pool",)),
}
"""Metrics that are read from the records when they are asked for: meaning and labels."""
