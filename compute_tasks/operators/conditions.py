"""Conditions such as `tas>273.15`, `lat <= -2e1` or `isnull(tas)`, read and evaluated."""

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import xarray as xr

from compute_tasks.cf.attributes import computed
from compute_tasks.cf.axes import axis_names, find_axis
from compute_tasks.cf.times import numbers
from compute_tasks.errors import InvalidInput

GRAMMAR = (
    "write <name> <operator> <number> with one of > >= < <= == !=, or isnull(<name>), "
    "notnull(<name>); <name> is a variable or an axis"
)
LOCATOR = "cond"
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
NAME = r"(?P<name>[^\s<>=!()]+)"
FORMS = tuple(
    re.compile(form)
    for form in (
        rf"{NAME}\s*(?P<operator>[<>]=?|[=!]=)\s*(?P<number>\S+)",
        rf"(?P<operator>isnull|notnull)(?:\s*\(\s*(?:{NAME}\s*)?\))?",
        rf"{NAME}\s+(?P<operator>isnull|notnull)",
    )
)


@dataclass(frozen=True, slots=True)
class Condition:
    """A test of every point: `name operator number`, or whether `name` is missing or not.

    Without a name the tested variable is the data variable itself.
    """

    name: str | None
    operator: str
    number: float | None = None

    @property
    def compares(self) -> bool:
        """Whether it compares numbers, which a missing value neither passes nor fails."""
        return self.operator in COMPARISONS

    def test(self, data: xr.DataArray) -> xr.DataArray:
        """Return where the condition holds for `data`; never where a compared value is missing."""
        if not self.compares:
            return data.isnull() if self.operator == "isnull" else data.notnull()
        return COMPARISONS[self.operator](data, self.number) & data.notnull()

    def subject(self, dataset: xr.Dataset) -> xr.DataArray:
        """Return the variable or axis the condition is about; times count in their file's units.

        Raises InvalidInput with locator `cond` naming the variables and axes there are.
        """
        name = self.name or self._only_variable(dataset)
        if name in dataset.data_vars:
            return dataset[name]
        try:
            axis = find_axis(dataset, name, locator=LOCATOR)
        except InvalidInput as error:
            known = ", ".join(map(str, dataset.data_vars))
            raise InvalidInput(
                f"{name!r} is neither a variable ({known}) nor an axis "
                f"({', '.join(axis_names(dataset))})",
                locator=LOCATOR,
            ) from error
        return self._as_numbers(dataset[axis], axis)

    def __call__(self, dataset: xr.Dataset) -> xr.DataArray:
        """Return where the condition holds, on the dimensions of its variable or axis."""
        return self.test(self.subject(dataset))

    def _only_variable(self, dataset: xr.Dataset) -> str:
        names = [str(name) for name in dataset.data_vars]
        if len(names) == 1:
            return names[0]
        raise InvalidInput(
            f"{self.operator} needs a name here: one of {', '.join(names)}", locator=LOCATOR
        )

    def _as_numbers(self, coordinate: xr.DataArray, axis: str) -> xr.DataArray:
        if coordinate.dtype.kind in "iufb" or not self.compares:
            return coordinate
        try:
            return coordinate.copy(data=numbers(coordinate.variable))
        except ValueError as error:
            raise InvalidInput(f"axis {axis!r}: {error}", locator=LOCATOR) from error


def parse(text: str) -> Condition:
    """Return the condition a text says; raise ValueError saying what can be written."""
    match = next(filter(None, (form.fullmatch(text.strip()) for form in FORMS)), None)
    if match is None:
        raise ValueError(f"cannot read the condition {text!r}; {GRAMMAR}")
    groups = match.groupdict()
    number = groups.get("number")
    return Condition(
        name=groups["name"],
        operator=groups["operator"],
        number=None if number is None else _number(number, text),
    )


def keep(dataset: xr.Dataset, where: xr.DataArray, other: float | None = None) -> xr.Dataset:
    """Return `dataset` with values that are not `where` replaced by `other`, or else missing.

    Variables that lack an axis of `where` are left as they are.
    """
    chosen = where.reset_coords(drop=True)

    fitting = {n: v for n, v in dataset.data_vars.items() if set(chosen.dims) <= set(v.dims)}
    return dataset.assign({name: _kept(data, chosen, other) for name, data in fitting.items()})


def _kept(data: xr.DataArray, where: xr.DataArray, other: float | None) -> xr.Variable:
    kept = data.where(where) if other is None else data.where(where, other)
    return xr.Variable(data.dims, kept.transpose(*data.dims).data, computed(data.attrs))


def _number(text: str, condition: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} in the condition {condition!r} is no number; {GRAMMAR}")
    return number
