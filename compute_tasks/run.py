"""Running a plan: open, select, compute, write. The one door for worker, command line and library.

Everything stays lazy at first (`steps`). Then reductions are streamed from the files, what else
streams is computed while it is written, and one dask graph on threads computes the rest.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import netCDF4
import xarray as xr

from compute_tasks.cluster import Cluster, ClusterLost, Clusters, nowhere, spread
from compute_tasks.decision import decisions
from compute_tasks.engine.destination import Destination, Guard
from compute_tasks.engine.evaluation import reading
from compute_tasks.engine.stream import MEMORY_BYTES
from compute_tasks.estimate import Estimate
from compute_tasks.heap import share
from compute_tasks.operators.streaming import settle, stages
from compute_tasks.outputs.files import Output, Result, write
from compute_tasks.outputs.netcdf import Format
from compute_tasks.outputs.provenance import CONVENTIONS, history, now, origins
from compute_tasks.parts import NO_PARTS, Parts
from compute_tasks.plan import Plan, Step
from compute_tasks.progress import Progress
from compute_tasks.sources import is_distant
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.steps import Prepared, label, prepare
from compute_tasks.without_dask import spare

spare()
share()

READ_CACHE_BYTES = 2**20


def run(
    plan: Plan,
    *,
    sources: SourcePolicy,
    workspace: Path,
    destination: Path,
    uid: str,
    provenance: Mapping[str, str],
    format: Format = "netcdf4",
    split_bytes: int = 0,
    threads: int = 0,
    memory_bytes: int = MEMORY_BYTES,
    parts: Parts = NO_PARTS,
    admit: Callable[[Estimate], None] = lambda estimate: None,
    decided: Callable[[list[str]], None] = lambda decisions: None,
    clusters: Clusters = nowhere,
    report: Callable[[int, str], None],
    cancelled: Callable[[], bool],
) -> list[Output]:
    """Compute the plan's outputs and write them to `destination`.

    `workspace` is for files needed meanwhile, `uid` names this run, `provenance` is recorded in
    every file. Results above `split_bytes` (0: none) are cut into several files. `threads` (0: one
    for each CPU) and `memory_bytes` bound the computing. `parts` keeps what is finished for another
    run of the same plan; Stopped is raised when they say that this one is to stop. `admit` is told
    what will be read and written before any of it is, and may refuse by raising TaskError;
    `decided` is told how each variable is computed, and why. Then `clusters` may give a dask
    cluster to compute on, in place of threads. `report` is called at most twice a second with
    percent and message; once `cancelled` returns true, Cancelled is raised. Raises TaskError; then
    no file of this run remains in `destination`.
    """
    workers = _workers(plan, sources, threads)
    progress = Progress(report, cancelled)
    # By default the library keeps 64 MB for each open variable; blocks are read once, as a whole.
    netCDF4.set_chunk_cache(READ_CACHE_BYTES)
    with ExitStack() as stack:
        progress.phase(f"opening {_count(len(plan.sources), 'file')}")
        ready = prepare(plan, sources, workspace, stack, progress)
        progress.phase(f"computing {', '.join(map(label, _last_steps(plan)))}")
        admit(ready.estimate)
        decided(decisions(plan, ready.opened, ready.results))
        given = {f"provenance.{key}": text for key, text in provenance.items()}

        def written(datasets: Sequence[xr.Dataset]) -> list[Output]:
            return write(
                [
                    _result(ready, step, _in_memory(dataset, workers), uid, given)
                    for step, dataset in zip(_last_steps(plan), datasets, strict=True)
                ],
                destination,
                uid=uid,
                format=format,
                split_bytes=split_bytes,
                compute=lambda graph: _execute(graph, workers, progress.callbacks()),
                stream=partial(
                    _stream,
                    threads=workers,
                    memory_bytes=memory_bytes,
                    progress=progress,
                    parts=parts,
                ),
                finishing=lambda count: progress.phase(f"writing {_count(count, 'file')}"),
                parts=parts,
            )

        with clusters(ready.estimate) as cluster:
            outputs = None
            if cluster:
                outputs = _on_cluster(cluster, ready.by_dask, written, progress)
        if outputs is None:
            progress.stage(1, stages(ready.outputs))
            settled = settle(ready.outputs, workers, memory_bytes, progress.streamed, parts)
            progress.stage(stages(ready.outputs), stages(ready.outputs))
            outputs = written(settled)
    progress.finished()
    return outputs


def explain(plan: Plan, *, sources: SourcePolicy, workspace: Path) -> tuple[list[str], Estimate]:
    """Return how each variable of the results would be computed, and the bytes it takes.

    Nothing is computed or written. Raises TaskError.
    """
    with ExitStack() as stack:
        progress = Progress(lambda percent, message: None, lambda: False)
        ready = prepare(plan, sources, workspace, stack, progress)
        return decisions(plan, ready.opened, ready.results), ready.estimate


def _on_cluster(
    cluster: Cluster,
    make: Callable[[], list[xr.Dataset]],
    write: Callable[[Sequence[xr.Dataset]], list[Output]],
    progress: Progress,
) -> list[Output] | None:
    """Compute on the cluster and write here; None when the cluster fails."""
    progress.phase("computing on a dask cluster")
    try:
        with spread(make(), cluster, progress.check) as datasets:
            return write(datasets)
    except ClusterLost as error:
        progress.phase(f"the dask cluster failed, {error}; computing without it")
        return None


def _workers(plan: Plan, policy: SourcePolicy, threads: int) -> int:
    """Return how many threads compute: no fewer than may wait for a remote host at a time."""
    workers = threads or os.cpu_count() or 1
    distant = any(is_distant(variable, policy) for variable in plan.sources.values())
    return max(workers, policy.connections) if distant else workers


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _last_steps(plan: Plan) -> list[Step]:
    steps = {step.name: step for step in plan.steps}
    return [steps[name] for name in plan.outputs]


def _execute(graph: Any, threads: int, *callbacks: tuple[Any, ...]) -> Any:
    """Compute on threads that are idle afterwards, also after an error or an interrupt."""
    # What streams should not wait for dask to be loaded.
    from dask.base import compute  # noqa: PLC0415

    pool = ThreadPoolExecutor(threads, thread_name_prefix="compute")
    try:
        (result,) = compute(graph, scheduler="threads", pool=pool, callbacks=list(callbacks))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return result


def _stream(
    fields: Sequence[Destination],
    guard: Guard,
    *,
    threads: int,
    memory_bytes: int,
    progress: Progress,
    parts: Parts,
) -> None:
    """Compute fields into their files."""
    # It loads the compiled loops and the HDF5 library, which not every job needs.
    from compute_tasks.engine.write import write as write_fields  # noqa: PLC0415

    with reading():
        write_fields(
            fields,
            threads=threads,
            memory_bytes=memory_bytes,
            report=progress.streamed,
            guard=guard,
            parts=parts,
        )


def _in_memory(dataset: xr.Dataset, threads: int) -> xr.Dataset:
    """Return the dataset with everything read but its numbers: coordinates, texts and dates."""
    names = [
        name
        for name, variable in dataset.variables.items()
        if variable.chunks is not None and (name in dataset.coords or variable.dtype.kind in "SUO")
    ]
    if not names:
        return dataset
    read = _execute(dataset[names], threads)
    return dataset.assign({n: read.variables[n] for n in names}).set_coords(dataset.coords)


def _result(
    ready: Prepared, step: Step, dataset: xr.Dataset, uid: str, provenance: Mapping[str, str]
) -> Result:
    """Return a result with the attributes that say what it is and where it comes from."""
    conventions = str(dataset.attrs.get("Conventions", ""))
    created = {"creation_date": now()} if "creation_date" in dataset.attrs else {}
    described = dataset.assign_attrs(
        created,
        Conventions=conventions if "CF-" in conventions else CONVENTIONS,
        history=history(ready.plan, step.name, dataset.attrs.get("history")),
        **origins(ready.plan, step.name, ready.opened, uid),
        **provenance,
    )
    return Result(step.name, step.process.identifier, described)
