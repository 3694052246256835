"""Which way results are computed, streamed or by xarray and dask, and why: said in one place.

What streams is decided where processes are applied (`operators.streaming`); it shows in the arrays
of the results, which is what is looked at here.
"""

from collections.abc import Mapping
from typing import Any

import xarray as xr

from compute_tasks.engine.evaluation import is_reduced, reductions, stored
from compute_tasks.engine.expression import Node
from compute_tasks.engine.field import Field
from compute_tasks.operators.grouping import Grouped
from compute_tasks.plan import Plan, Step
from compute_tasks.steps import label


def decisions(
    plan: Plan, opened: Mapping[str, xr.Dataset], results: Mapping[str, Any]
) -> list[str]:
    """Return how each variable of each output is computed.

    For example `tas: streamed, mean over time of 6 files`. `opened` are the sources as they were
    opened, `results` those of all steps and sources.
    """
    return [
        f"{name}: {_way(plan, output, variable.variable, opened, results)}"
        for output in plan.outputs
        for name, variable in results[output].data_vars.items()
    ]


def _way(
    plan: Plan,
    output: str,
    variable: xr.Variable,
    opened: Mapping[str, xr.Dataset],
    results: Mapping[str, Any],
) -> str:
    if isinstance(variable.data, Field):
        return f"streamed, {_streamed(variable.data.node)}"
    if variable.chunks is None:
        return "in memory"
    return f"by xarray and dask, because {_reason(plan, output, opened, results)}"


def _streamed(node: Node) -> str:
    """Say how a node is computed."""
    count = len({piece.file for leaf in stored(node) for piece in leaf.source.pieces})
    files = f"{count} file{'' if count == 1 else 's'}"
    steps = ", ".join(reduced.text for reduced in reductions([node]))
    if is_reduced(node):
        return f"{steps} of {files}"
    return f"block by block from {files}" + (f" after {steps}" if steps else "")


def _reason(
    plan: Plan, output: str, opened: Mapping[str, xr.Dataset], results: Mapping[str, Any]
) -> str:
    for source in plan.sources_of(output):
        if why := opened[source.name].encoding.get("unindexed"):
            return str(why)
    for step in plan.ancestry(output):
        if any(_has_fields(results[name]) for name in step.inputs) and not (
            step.process.streams and _has_fields(results[step.name])
        ):
            return _stopped(step)
    return "a mask or a weight is not read by the index"


def _stopped(step: Step) -> str:
    if not step.process.streams:
        return f"{step.process.identifier} does not stream"
    return f"{label(step)} does not stream for this input and these parameters"


def _has_fields(data: Any) -> bool:
    dataset = data.dataset if isinstance(data, Grouped) else data
    return any(isinstance(v.variable.data, Field) for v in dataset.data_vars.values())
