"""Processes that keep the values at which a condition holds."""

import xarray as xr

from compute_tasks.operators.conditions import GRAMMAR, Condition, keep, parse
from compute_tasks.operators.grouping import Grouped
from compute_tasks.operators.parameters import COMMON, choice, number
from compute_tasks.operators.statistics import STATISTICS, reduce
from compute_tasks.registry import Parameter, catalog

FUNCTIONS = tuple(STATISTICS)
CONDITION = f"Where values are kept: {GRAMMAR}."
OTHER = Parameter(
    "other",
    "A number, in the units of the variable, put where the condition does not hold; such values "
    "become missing if not given.",
    parse=number,
    kind="number",
)
COND = Parameter("cond", CONDITION, parse=parse, kind="condition", required=True)
OPTIONAL_COND = Parameter("cond", CONDITION, parse=parse, kind="condition")
FUNC = Parameter(
    "func",
    f"The statistic over all axes, or over each bin: one of {', '.join(FUNCTIONS)}.",
    parse=choice(*FUNCTIONS),
    kind="choice",
    required=True,
    choices=FUNCTIONS,
)


@catalog.process(
    "CDAT.where",
    "Keep values by a condition",
    parameters=[COND, OTHER],
    common=COMMON,
    streams=True,
)
def where(dataset: xr.Dataset, *, cond: Condition, other: float | None) -> xr.Dataset:
    """Keep the values where a condition on a variable or an axis holds and drop the others.

    Numbers in the condition are in the units of the file. Comparisons leave missing values
    missing; isnull and notnull may give them a value through `other`. Units stay.
    """
    return _kept(dataset, cond, other)


@catalog.process(
    "CDAT.filter_map",
    "Statistic of values by a condition",
    parameters=[FUNC, OPTIONAL_COND, OTHER],
    common=COMMON,
    accepts_groups=True,
    streams=True,
)
def filter_map(
    data: xr.Dataset | Grouped, *, func: str, cond: Condition | None, other: float | None
) -> xr.Dataset:
    """Reduce the values where a condition holds over all axes, or within each bin.

    The condition is that of CDAT.where, the statistic that of the process of the same name; without
    a condition all values are used.
    """
    if cond is None:
        return reduce(data, func)
    if isinstance(data, Grouped):
        kept = Grouped(_kept(data.dataset, cond, other), data.by, data.name, data.edges)
        return reduce(kept, func)
    return reduce(_kept(data, cond, other), func)


def _kept(dataset: xr.Dataset, condition: Condition, other: float | None) -> xr.Dataset:
    if condition.name is None:
        one = {name: _kept_by(dataset[[name]], condition, other) for name in dataset.data_vars}
        return dataset.assign({name: kept[name] for name, kept in one.items()})
    return _kept_by(dataset, condition, other)


def _kept_by(dataset: xr.Dataset, condition: Condition, other: float | None) -> xr.Dataset:
    subject = condition.subject(dataset)
    kept = keep(dataset, condition.test(subject), other)
    if other is None or not condition.compares:
        return kept
    known = keep(kept, subject.notnull())
    return known.assign(
        {
            name: data.where(dataset[name].notnull()).variable
            for name, data in known.data_vars.items()
        }
    )
