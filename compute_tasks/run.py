"""Running a plan: open, select, compute, write. The one door for worker, command line and library.

Everything stays lazy until the results are written; then one dask graph on threads computes all of
them, so that what several results share is read once.
"""

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import netCDF4
import xarray as xr
from dask.base import compute

from compute_tasks.cf.axes import find_axis
from compute_tasks.domain.selection import apply_mask, select
from compute_tasks.errors import InvalidInput, TaskError
from compute_tasks.estimate import Estimate, Reading, shares
from compute_tasks.model import Domain, Variable
from compute_tasks.operators.apply import apply
from compute_tasks.outputs.files import Output, Result, write
from compute_tasks.outputs.netcdf import Format
from compute_tasks.outputs.provenance import CONVENTIONS, history, now, origins
from compute_tasks.plan import Plan, Step
from compute_tasks.progress import Progress
from compute_tasks.regrid.apply import regrid
from compute_tasks.regrid.resolve import inside, target
from compute_tasks.sources import open_source
from compute_tasks.sources.policy import SourcePolicy

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
    admit: Callable[[Estimate], None] = lambda estimate: None,
    report: Callable[[int, str], None],
    cancelled: Callable[[], bool],
) -> list[Output]:
    """Compute the plan's outputs and write them to `destination`.

    `workspace` is for files needed meanwhile, `uid` names this run, `provenance` is recorded in
    every file. Results above `split_bytes` (0: none) are cut into several files. `threads` (0: one
    for each CPU) bounds the computing. `admit` is told what will be read and written before any of
    it is, and may refuse by raising TaskError. `report` is called at most twice a second with
    percent and message; once `cancelled` returns true, Cancelled is raised. Raises TaskError; then
    no file of this run remains in `destination`.
    """
    progress = Progress(report, cancelled)
    progress.phase(f"opening {_count(len(plan.sources), 'file')}")
    # By default the library keeps 64 MB for each open variable; blocks are read once, as a whole.
    netCDF4.set_chunk_cache(READ_CACHE_BYTES)
    with ExitStack() as stack:
        opener = _Opener(sources, workspace, stack)
        opened = _open_all(plan, opener, progress)
        progress.phase(f"computing {', '.join(map(_label, _last_steps(plan)))}")
        selected = _sources(plan, opened, opener)
        reading = Reading(selected)
        computed = _compute(plan, selected, opener, progress, reading)
        admit(reading.estimate({name: computed[name] for name in plan.outputs}))
        given = {f"provenance.{key}": text for key, text in provenance.items()}
        results = []
        for step in _last_steps(plan):
            dataset = _in_memory(computed[step.name], threads)
            dataset = _described(plan, step.name, dataset, opened, uid).assign_attrs(given)
            results.append(Result(step.name, step.process.identifier, dataset))
        outputs = write(
            results,
            destination,
            uid=uid,
            format=format,
            split_bytes=split_bytes,
            compute=lambda graph: _execute(graph, threads, progress.callbacks()),
            finishing=lambda count: progress.phase(f"writing {_count(count, 'file')}"),
        )
    progress.finished()
    return outputs


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _label(step: Step) -> str:
    return f"{step.process.identifier} ({step.name})"


def _last_steps(plan: Plan) -> list[Step]:
    steps = {step.name: step for step in plan.steps}
    return [steps[name] for name in plan.outputs]


def _execute(graph: Any, threads: int, *callbacks: tuple[Any, ...]) -> Any:
    """Compute on threads that are idle afterwards, also after an error or an interrupt."""
    pool = ThreadPoolExecutor(threads or os.cpu_count() or 1, thread_name_prefix="compute")
    try:
        (result,) = compute(graph, scheduler="threads", pool=pool, callbacks=list(callbacks))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return result


class _Opener:
    """Opens variables, each file's once, until the stack closes them."""

    def __init__(self, policy: SourcePolicy, workspace: Path, stack: ExitStack) -> None:
        self._policy, self._workspace, self._stack = policy, workspace, stack
        self._opened: dict[tuple[str, str], xr.Dataset] = {}

    def __call__(self, variable: Variable) -> xr.Dataset:
        key = (variable.uri, variable.variable)
        if key not in self._opened:
            dataset = open_source(variable, self._policy, workspace=self._workspace)
            self._stack.callback(dataset.close)
            self._opened[key] = dataset
        return self._opened[key]


def _open_all(plan: Plan, opener: _Opener, progress: Progress) -> dict[str, xr.Dataset]:
    opened = {}
    for count, (name, variable) in enumerate(plan.sources.items(), start=1):
        opened[name] = opener(variable)
        progress.opened(count, len(plan.sources))
    return opened


def _sources(
    plan: Plan, opened: Mapping[str, xr.Dataset], opener: _Opener
) -> dict[str, xr.Dataset]:
    """Return the sources as their own domains leave them."""
    return {
        name: _selected(dataset, plan.domains[domain], opener)
        if (domain := plan.sources[name].domain)
        else dataset
        for name, dataset in opened.items()
    }


def _compute(
    plan: Plan,
    sources: Mapping[str, xr.Dataset],
    opener: _Opener,
    progress: Progress,
    reading: Reading,
) -> dict[str, Any]:
    """Return the lazy result of every step beside the sources."""
    results: dict[str, Any] = dict(sources)
    for step in plan.steps:
        progress.check()
        results[step.name] = _run_step(step, plan, results, opener, reading)
    return results


def _run_step(
    step: Step, plan: Plan, results: Mapping[str, Any], opener: _Opener, reading: Reading
) -> Any:
    """Return the result of one step; errors say which step it is."""
    given = {name: results[name] for name in step.inputs}
    inputs = dict(given)
    try:
        if step.domain and not step.process.combines:
            method = step.arguments.get("method")
            inputs |= {n: _selected(inputs[n], step.domain, opener, method) for n in step.selected}
        gridded = inputs | _regridded(step, plan, inputs, results)
        result: Any = apply(step.process, [gridded[name] for name in step.inputs], step.arguments)
        if step.domain and step.process.combines:
            whole, result = result, _selected(result, step.domain, opener)
            reading.step(step.name, dict.fromkeys(given, shares({"": result}, {"": whole})[""]))
        else:
            reading.step(step.name, shares(inputs, given))
    except TaskError as error:
        raise type(error)(f"{_label(step)}: {error.message}", locator=error.locator) from error
    return result


def _regridded(
    step: Step, plan: Plan, inputs: Mapping[str, Any], results: Mapping[str, Any]
) -> dict[str, xr.Dataset]:
    """Return the inputs the step's gridder is for on its grid, inside their domain."""
    if not step.gridder:
        return {}
    grid = target(step.gridder.grid, plan.domains, results)
    gridded = {n: regrid(inputs[n], grid, step.gridder.method) for n in step.regridded}
    if not step.domain or step.process.combines:
        return gridded
    domain = step.domain
    return {n: inside(d, domain) if n in step.selected else d for n, d in gridded.items()}


def _selected(
    dataset: xr.Dataset, domain: Domain, opener: _Opener, method: str | None = None
) -> xr.Dataset:
    """Return the part of the dataset inside the domain, masked where its mask says so."""
    result = select(dataset, domain, method=method)
    if mask := domain.mask:
        found = opener(Variable("mask", mask.variable, mask.uri))
        there = tuple(d for d in domain.dimensions if _has_axis(found, d.name))
        found = select(found, replace(domain, dimensions=there), method=method)
        result = apply_mask(result, mask, found[mask.variable])
    return result


def _has_axis(dataset: xr.Dataset, name: str) -> bool:
    try:
        find_axis(dataset, name)
    except InvalidInput:
        return False
    return True


def _in_memory(dataset: xr.Dataset, threads: int) -> xr.Dataset:
    """Return the dataset with everything read but its numbers: coordinates, texts and dates."""
    names = [
        name
        for name, variable in dataset.variables.items()
        if name not in dataset.xindexes and (name in dataset.coords or variable.dtype.kind in "SUO")
    ]
    read = _execute(dataset[names], threads)
    return dataset.assign({n: read.variables[n] for n in names}).set_coords(dataset.coords)


def _described(
    plan: Plan, name: str, dataset: xr.Dataset, opened: Mapping[str, xr.Dataset], uid: str
) -> xr.Dataset:
    """Return the dataset with the attributes that say what it is and where it comes from."""
    conventions = str(dataset.attrs.get("Conventions", ""))
    created = {"creation_date": now()} if "creation_date" in dataset.attrs else {}
    return dataset.assign_attrs(
        created,
        Conventions=conventions if "CF-" in conventions else CONVENTIONS,
        history=history(plan, name, dataset.attrs.get("history")),
        **origins(plan, name, opened, uid),
    )
