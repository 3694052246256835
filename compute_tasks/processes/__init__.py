"""The processes on offer; importing this package registers them on the catalog."""

from compute_tasks.processes import (
    arithmetic,
    combination,
    conditional,
    elementwise,
    grouped,
    reductions,
    selection,
    workflow,
)

__all__ = [
    "arithmetic",
    "combination",
    "conditional",
    "elementwise",
    "grouped",
    "reductions",
    "selection",
    "workflow",
]
