"""Several operations in one request."""

import xarray as xr

from compute_tasks.registry import catalog


@catalog.process("CDAT.workflow", "Run several operations", inputs=(1, None))
def workflow(*results: xr.Dataset) -> tuple[xr.Dataset, ...]:
    """Run the operations of a request, each feeding on variables or on other operations.

    Its inputs are operations, and their results are the outputs, together with those of every
    operation that no other one uses. Its domain and parameters are the defaults of the operations.
    """
    return results
