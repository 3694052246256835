"""Running one process: its function, and around it what many processes have in common.

The common parameters are `variable` (compute on that variable, pass others through), then on the
result `fillna` and, last, `rename`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import xarray as xr

from compute_tasks.cf.attributes import REFERENCES, with_references
from compute_tasks.cf.axes import data_dimensions
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.grouping import Grouped
from compute_tasks.operators.parameters import COMMON, FILLNA, RENAME, VARIABLE
from compute_tasks.operators.streaming import without_fields
from compute_tasks.registry import Process

Data = xr.Dataset | Grouped
NAMING = {"bounds", "climatology", "coordinates", *REFERENCES}


def apply(process: Process, inputs: Sequence[Data], arguments: Mapping[str, Any]) -> Data:
    """Return the result of a process, lazily.

    `arguments` are parsed values by parameter name; those left out have their defaults. Raises
    InvalidInput or MissingInput, with the parameter at fault as locator, for what does not fit the
    data.
    """
    given = {p.name: arguments.get(p.name, p.default) for p in process.parameters}
    process.check(len(inputs), given)
    if not process.streams:
        inputs = [_without_fields(data) for data in inputs]
    common = {p.name: given.pop(p.name) for p in process.parameters if p in COMMON}
    target = common.get(VARIABLE.name)
    if target is not None:
        for data in inputs:
            _check_target(data, target)
    result = process.function(*_chosen(inputs, target), **given)
    if isinstance(result, Grouped):
        return result
    source = _dataset(inputs[0])
    if target is not None:
        result = _passing_others(result, source, target)
    result = with_references(result, source)
    fill = common.get(FILLNA.name)
    if fill is not None:
        result = _filled(result, fill, target)
    names = common.get(RENAME.name)
    return _renamed(result, names) if names else result


def _dataset(data: Data) -> xr.Dataset:
    return data.dataset if isinstance(data, Grouped) else data


def _without_fields(data: Data) -> Data:
    if isinstance(data, Grouped):
        return replace(data, dataset=without_fields(data.dataset))
    return without_fields(data)


def _check_target(data: Data, target: str) -> None:
    known = [str(name) for name in _dataset(data).data_vars]
    if target not in known:
        raise InvalidInput(
            f"no variable {target!r}; the input holds {', '.join(known)}", locator="variable"
        )


def _chosen(inputs: Sequence[Data], target: str | None) -> Sequence[Data]:
    """Return what the function gets: a single input whole, since conditions may need all of it."""
    if target is None or len(inputs) == 1:
        return inputs
    return [_dataset(data)[[target]] for data in inputs]


def _passing_others(result: xr.Dataset, source: xr.Dataset, target: str) -> xr.Dataset:
    others = [name for name in source.data_vars if name != target]
    return result[[target]].assign({name: source[name] for name in others})


def _filled(result: xr.Dataset, value: float, target: str | None) -> xr.Dataset:
    chosen = [target] if target else list(result.data_vars)
    return result.assign({name: result[name].variable.fillna(value) for name in chosen})


def _renamed(result: xr.Dataset, names: Mapping[str, str]) -> xr.Dataset:
    known = [*map(str, result.data_vars), *data_dimensions(result), *map(str, result.coords)]
    if missing := [old for old in names if old not in known]:
        listed = ", ".join(dict.fromkeys(known))
        raise InvalidInput(
            f"nothing is called {missing[0]!r}; there are {listed}", locator="rename"
        )
    taken = {*known, *map(str, result.dims)} - set(names)
    if clashing := [new for new in names.values() if new in taken]:
        raise InvalidInput(f"the name {clashing[0]!r} is taken already", locator="rename")
    renamed = result.rename(dict(names))
    for variable in renamed.variables.values():
        for key in variable.encoding.keys() & NAMING:
            words = str(variable.encoding[key]).split()
            variable.encoding[key] = " ".join(names.get(word, word) for word in words)
    return renamed
