"""`compute boot-profiles`: how bare-metal nodes are booted."""

from compute.cli.records import record_commands
from compute.provisioner.kinds import BOOT_PROFILE

boot_profiles = record_commands(BOOT_PROFILE)
