"""`compute groups`: nodes under one name."""

from compute.cli.records import add_drain, drained, record_commands
from compute.provisioner.kinds import GROUP

groups = record_commands(GROUP)
add_drain(groups, GROUP, "Drain every node of the groups.", drained)
