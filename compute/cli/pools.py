"""`compute pools`: nodes that are alike, and how many there may be."""

from compute.cli.records import add_drain, drained, record_commands
from compute.provisioner.kinds import POOL

FILTERS = (
    ("backend", "Only local or kubernetes."),
    ("role", "Only worker or dask."),
    ("queue", "Only for this queue."),
    ("capacity", "Only on-demand or spot."),
    ("circuit", "Only with a closed, open or half-open circuit."),
)

pools = record_commands(POOL, FILTERS)
add_drain(pools, POOL, "Set minimum and maximum to 0 and drain every node of the pools.", drained)
