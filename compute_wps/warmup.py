"""What a worker does before it takes jobs: small real ones, so that no client waits for loading.

They bring in the libraries and compiled loops of each way of computing. The first job would wait
for that a third of a second, or much longer where the loops are still to be compiled. It is done
before the processes that run jobs part from the worker's main one, so that they share the memory.
What is in it then is taken out of the collection of garbage, which would walk over it within jobs,
for a tenth of a second each time.
"""

import gc
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
import structlog

from compute_tasks import document, plan
from compute_tasks.run import run
from compute_tasks.sources.policy import SourcePolicy

LONGEST_SECONDS = 5.0
"""After this the rest is left out: where loops must be compiled, jobs wait that may not need it."""
JOBS: tuple[dict[str, Any], ...] = (
    {"name": "CDAT.subset"},
    {"name": "CDAT.mean", "axes": "time"},
    {"name": "CDAT.average", "axes": "lat|lon"},
    {"name": "CDAT.max", "axes": "time"},
    {"name": "CDAT.std", "axes": "time"},
    {"name": "CDAT.regrid", "grid": "uniform~30x30", "method": "conservative"},
    {"name": "CDAT.regrid", "grid": "uniform~30x30", "method": "linear"},
)
"""One operation for each way of computing; those that need a library of their own load it later."""

logger = structlog.get_logger(__name__)


def warm_up() -> None:
    """Run small jobs, then have garbage collected among newer things only.

    One that fails is logged: a worker without it is slower for once, that is all.
    """
    with tempfile.TemporaryDirectory(prefix="compute-warmup-") as folder:
        try:
            _run_small_jobs(Path(folder))
        except Exception:
            logger.exception("the worker is not warm")
    gc.collect()
    gc.freeze()


def tiny(path: Path) -> None:
    """Write a year of monthly maps of 16x32, deflated."""
    with netCDF4.Dataset(path, "w") as dataset:
        for name, units, values in (
            ("time", "days since 2000-01-01", 30.0 * np.arange(12) + 15),
            ("lat", "degrees_north", np.linspace(-84, 84, 16)),
            ("lon", "degrees_east", np.linspace(0, 348, 32)),
        ):
            dataset.createDimension(name, len(values))
            axis = dataset.createVariable(name, "f8", (name,))
            axis.units = units
            axis[:] = values
        dataset["time"].calendar = "360_day"
        tas = dataset.createVariable("tas", "f4", ("time", "lat", "lon"), zlib=True)
        tas.units = "K"
        tas[:] = np.random.default_rng(1).normal(280, 10, tas.shape)


def _run_small_jobs(folder: Path) -> None:
    started = time.monotonic()
    tiny(source := folder / "tiny.nc")
    variable = json.dumps([{"uri": str(source), "id": "tas|v0"}])
    for number, operation in enumerate(JOBS):
        if time.monotonic() - started > LONGEST_SECONDS:
            logger.info("the worker is not warm yet", reason=f"{number} of {len(JOBS)} loaded")
            return
        texts = json.dumps([{"result": "op0", "input": ["v0"], **operation}])
        workflow = document.parse(
            operation["name"], variable=variable, domain="[]", operation=texts
        )
        run(
            plan.build(workflow),
            sources=SourcePolicy(roots=(folder,)),
            workspace=folder,
            destination=folder / str(number),
            uid="warm-up",
            provenance={},
            threads=1,
            report=lambda percent, message: None,
            cancelled=lambda: False,
        )
