"""From a plan to lazy results: sources opened, domains cut out, processes chained."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xarray as xr

from compute_tasks.cf.axes import find_axis
from compute_tasks.cluster import spreadable
from compute_tasks.domain.selection import apply_mask, select
from compute_tasks.errors import InvalidInput, TaskError
from compute_tasks.estimate import Estimate, Reading, shares
from compute_tasks.model import Domain, Variable
from compute_tasks.operators.apply import apply
from compute_tasks.plan import Plan, Step
from compute_tasks.progress import Progress
from compute_tasks.regrid.apply import regrid
from compute_tasks.regrid.resolve import inside, target
from compute_tasks.sources import ahead, open_source
from compute_tasks.sources.policy import SourcePolicy


def label(step: Step) -> str:
    """Return what to call a step in messages."""
    return f"{step.process.identifier} ({step.name})"


class Opener:
    """Opens variables, each file's once, until the stack closes them."""

    def __init__(self, policy: SourcePolicy, workspace: Path, stack: ExitStack) -> None:
        self.policy, self._workspace, self._stack = policy, workspace, stack
        self._opened: dict[tuple[str, str], xr.Dataset] = {}
        self.at_once = policy.connections

    def __call__(self, variable: Variable) -> xr.Dataset:
        """Return the dataset of a variable; raises as `open_source`."""
        key = (variable.uri, variable.variable)
        if key not in self._opened:
            dataset = open_source(variable, self.policy, workspace=self._workspace)
            self._stack.callback(dataset.close)
            self._opened[key] = dataset
        return self._opened[key]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a plan comes to before anything is computed.

    `opened` are the sources as they are in the files, `sources` as their domains leave them;
    `results` are those of all steps beside the sources.
    """

    plan: Plan
    opener: Opener
    opened: Mapping[str, xr.Dataset]
    sources: Mapping[str, xr.Dataset]
    results: Mapping[str, Any]
    estimate: Estimate

    @property
    def outputs(self) -> list[xr.Dataset]:
        """The results that are to be written."""
        return [self.results[name] for name in self.plan.outputs]

    def by_dask(self) -> list[xr.Dataset]:
        """Return the outputs again, with dask arrays throughout."""
        lazy = {name: spreadable(dataset) for name, dataset in self.sources.items()}
        results = _compute(self.plan, lazy, self.opener, Reading(lazy))
        return [results[name] for name in self.plan.outputs]


def prepare(
    plan: Plan, policy: SourcePolicy, workspace: Path, stack: ExitStack, progress: Progress
) -> Prepared:
    """Open the sources of a plan, until the stack closes them, and chain its processes lazily.

    Raises TaskError.
    """
    opener = Opener(policy, workspace, stack)
    opened = _open_all(plan, opener, progress)
    sources = _selected_sources(plan, opened, opener)
    reading = Reading(sources)
    results = _compute(plan, sources, opener, reading, progress.check)
    estimate = reading.estimate({name: results[name] for name in plan.outputs})
    return Prepared(plan, opener, opened, sources, results, estimate)


def _open_all(plan: Plan, opener: Opener, progress: Progress) -> dict[str, xr.Dataset]:
    different = list({(v.uri, v.variable): v for v in plan.sources.values()}.values())
    # Several at a time, because remote hosts take their time to answer.
    pool = ThreadPoolExecutor(opener.at_once, "open")
    with ahead.opening(different, opener.policy) as wait:

        def open_one(variable: Variable) -> None:
            wait(variable)
            opener(variable)

        try:
            each = map if len(different) == 1 else pool.map
            for count, _ in enumerate(each(open_one, different), start=1):
                progress.opened(count, len(different))
        finally:
            # A run that is dismissed does not wait for hosts that do not answer.
            pool.shutdown(wait=False, cancel_futures=True)
    return {name: opener(variable) for name, variable in plan.sources.items()}


def _selected_sources(
    plan: Plan, opened: Mapping[str, xr.Dataset], opener: Opener
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
    opener: Opener,
    reading: Reading,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Return the lazy result of every step beside the sources."""
    results: dict[str, Any] = dict(sources)
    for step in plan.steps:
        check()
        results[step.name] = _run_step(step, plan, results, opener, reading)
    return results


def _run_step(
    step: Step, plan: Plan, results: Mapping[str, Any], opener: Opener, reading: Reading
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
        raise type(error)(f"{label(step)}: {error.message}", locator=error.locator) from error
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
    dataset: xr.Dataset, domain: Domain, opener: Opener, method: str | None = None
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
