"""The processes on offer; importing this package registers them on the catalog."""

from compute_tasks.processes import (
    arithmetic,
    averages,
    combination,
    conditional,
    differences,
    elementwise,
    grouped,
    percentiles,
    reductions,
    regridding,
    selection,
    temporal,
    trends,
    workflow,
)

__all__ = [
    "arithmetic",
    "averages",
    "combination",
    "conditional",
    "differences",
    "elementwise",
    "grouped",
    "percentiles",
    "reductions",
    "regridding",
    "selection",
    "temporal",
    "trends",
    "workflow",
]
