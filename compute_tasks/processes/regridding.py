"""Processes that take their input to another grid."""

import xarray as xr

from compute_tasks.operators.parameters import FILLNA, RENAME, name
from compute_tasks.registry import Parameter, catalog
from compute_tasks.regrid import requests

GRID = Parameter(
    "grid",
    "The target: uniform~DYxDX in degrees, gaussian~N with N latitudes, T21, T42, T63, T85, or the "
    "name of a variable or domain of the request. Needed unless the operation has a gridder.",
    parse=name,
    kind="grid",
)
METHOD = Parameter(
    "method",
    "How values are taken over: conservative (mean over the area of the cell), linear (between the "
    "centres around; bilinear means the same) or nearest (the nearest centre).",
    parse=requests.method,
    kind="choice",
    default="linear",
    choices=requests.METHODS,
)
TOOL = Parameter(
    "tool",
    "Accepted for older requests; both give the same result.",
    parse=requests.tool,
    kind="choice",
    default=requests.TOOLS[0],
    choices=requests.TOOLS,
)


@catalog.process(
    requests.REGRID,
    "Another grid",
    parameters=[GRID, METHOD, TOOL],
    common=(FILLNA, RENAME),
    streams=True,
)
def regrid(dataset: xr.Dataset, *, grid: str | None, method: str, tool: str) -> xr.Dataset:
    """Return the variable on another horizontal grid, at all times and levels.

    Latitudes run from south to north unless the target is the grid of a variable. Missing cells are
    left out and the others count for more: a conservative cell has a value where any of it is
    covered by valid cells, a linear one where those around it hold half of the weight. Cells
    outside the input are missing; a domain of the operation selects from the input and then from
    the target. Units and precision stay, whole numbers become doubles. Inputs on curvilinear or
    unstructured grids take linear and nearest only.

    Any other operation takes the same as the key gridder, with tool, method and grid: its inputs
    are regridded after its domain and before the process. For CDAT.aggregate and CDAT.merge the
    domain comes last.
    """
    return dataset
