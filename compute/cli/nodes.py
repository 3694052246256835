"""`compute nodes`: what runs, and machines that are only on record."""

from compute.cli.records import add_drain, record_commands
from compute.provisioner.kinds import COMPUTE_NODE

FILTERS = (
    ("state", "Only in this state: requested, starting, ready, draining, stopped, lost, failed."),
    ("ended", "Also those that have ended."),
    ("pool", "Only of this pool."),
    ("owner", "Only of this owner."),
    ("capacity", "Only on-demand or spot."),
    ("by_hand", "Only those a person created."),
    ("xname", "Only the one at this place."),
    ("architecture", "Only of this architecture."),
    ("boot_profile", "Only those booted with this profile."),
    ("boot_mac", "Only the one that boots from this MAC address."),
    ("bmc_address", "Only the one whose controller has this address."),
)

nodes = record_commands(COMPUTE_NODE, FILTERS)
add_drain(
    nodes,
    COMPUTE_NODE,
    "Let nodes take no more jobs, and stop them when they have none or their time is up.",
    lambda node: f"draining compute node {node['name']}",
)
