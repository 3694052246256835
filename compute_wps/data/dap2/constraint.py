"""Constraint expressions: which variables, and which part of each.

`parse` understands projections (`tas`, `tas[0:2:10][3][1:4]`, `tas.tas[0]`, `tas.lat`). Selections
and server functions are refused by name; an answer to half a question would look like the whole.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

from compute_wps.data.dap2.errors import DapError
from compute_wps.data.dap2.model import WIRE, Dataset, Variable, elements

NUMBER = r"\s*([0-9]{1,18})\s*"
HYPERSLAB = re.compile(rf"\[{NUMBER}(?::{NUMBER})?(?::{NUMBER})?\]")
TERM = re.compile(r"(?P<path>[^\[\]]+)(?P<slab>(?:\[[^\[\]]*\])*)")


@dataclass(frozen=True, slots=True)
class Part:
    """A hyperslab of one variable: the indices along each of its dimensions."""

    variable: Variable
    slab: tuple[range, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Return how many points are taken along each dimension."""
        return tuple(len(indices) for indices in self.slab)

    @property
    def bytes(self) -> int:
        """Return the size of this part in the answer; exact for numbers, a bound for texts."""
        count, kind = elements(self.shape), self.variable.type
        if kind == "String":
            return count * (self.variable.width + 7) + 4
        size = count * WIRE[kind].itemsize
        return size + -size % 4 + (8 if self.slab else 0)


@dataclass(frozen=True, slots=True)
class Projection:
    """One declaration of the answer.

    `constructor` is `Grid`, `Structure` (some members of a Grid) or None for a plain variable.
    """

    name: str
    constructor: str | None
    parts: tuple[Part, ...]


def parse(expression: str, dataset: Dataset) -> tuple[Projection, ...]:
    """Return what the expression asks of the dataset; everything when it is empty.

    Raises DapError 400 for an expression that is malformed, out of range or not supported, and 404
    for a variable that is not there.
    """
    projection, *selections = unquote(expression).split("&")
    if selection := next((text for text in selections if text.strip()), None):
        raise DapError(400, f"selection {selection!r} is not supported; ask for index ranges")
    if "(" in projection:
        raise DapError(400, f"function in {projection!r} is not supported; ask for index ranges")
    if not projection.strip():
        return tuple(_whole(variable, dataset) for variable in dataset.variables.values())
    terms = (_term(text.strip(), dataset) for text in projection.split(","))
    return _merged(terms, dataset)


def _whole(variable: Variable, dataset: Dataset) -> Projection:
    return _declared(variable, tuple(range(size) for size in variable.shape), dataset)


def _declared(variable: Variable, slab: tuple[range, ...], dataset: Dataset) -> Projection:
    """Return the variable as it is declared: a Grid brings its maps along."""
    array = Part(variable, slab)
    if not variable.maps:
        return Projection(variable.name, None, (array,))
    maps = (
        Part(dataset.variables[name], (indices,))
        for name, indices in zip(variable.maps, slab, strict=True)
    )
    return Projection(variable.name, "Grid", (array, *maps))


def _term(text: str, dataset: Dataset) -> Projection:
    match = TERM.fullmatch(text)
    if match is None:
        raise DapError(400, f"{text!r} is not a projection such as tas[0:9][0:1:3]")
    name, member = _names(unquote(match["path"].strip()), dataset)
    variable = dataset.variables[name]
    if member is None:
        return _declared(variable, _slab(variable, match["slab"]), dataset)
    chosen = dataset.variables[member]
    return Projection(name, "Structure", (Part(chosen, _slab(chosen, match["slab"])),))


def _names(path: str, dataset: Dataset) -> tuple[str, str | None]:
    """Split `tas` or `tas.lat`; a dot may also belong to the name of a variable."""
    if path in dataset.variables:
        return path, None
    name, _, member = path.partition(".")
    if name not in dataset.variables:
        raise DapError(404, f"no variable {path!r}; there are {', '.join(dataset.variables)}")
    members = (name, *dataset.variables[name].maps)
    if len(members) == 1 or member not in members:
        raise DapError(404, f"{name!r} has no member {member!r}; it has {', '.join(members)}")
    return name, member


def _slab(variable: Variable, text: str) -> tuple[range, ...]:
    brackets = re.findall(r"\[[^\[\]]*\]", text)
    if not brackets:
        return tuple(range(size) for size in variable.shape)
    if len(brackets) != len(variable.shape):
        raise DapError(
            400, f"{variable.name!r} has {len(variable.shape)} dimensions, not {len(brackets)}"
        )
    return tuple(
        _indices(variable.name, bracket, size)
        for bracket, size in zip(brackets, variable.shape, strict=True)
    )


def _indices(name: str, bracket: str, size: int) -> range:
    match = HYPERSLAB.fullmatch(bracket)
    if match is None:
        raise DapError(
            400, f"{bracket} of {name!r} is not [index], [first:last] or [first:step:last]"
        )
    numbers = [int(number) for number in match.groups() if number is not None]
    first, last = numbers[0], numbers[-1]
    step = numbers[1] if len(numbers) == 3 else 1
    if step < 1 or not first <= last < size:
        raise DapError(400, f"{bracket} of {name!r} is outside its indices 0 to {size - 1}")
    return range(first, last + 1, step)


def _merged(projections: Iterable[Projection], dataset: Dataset) -> tuple[Projection, ...]:
    """Return one declaration per variable, in the order of the dataset whatever the order asked.

    The netCDF library reads an answer by position: in another order it takes one variable's bytes
    for another's.
    """
    merged: dict[str, Projection] = {}
    for projection in projections:
        earlier = merged.get(projection.name, projection)
        merged[projection.name] = _joined(earlier, projection, dataset)
    return tuple(merged[name] for name in dataset.variables if name in merged)


def _joined(one: Projection, other: Projection, dataset: Dataset) -> Projection:
    """Put members of one Grid that were asked for separately into one structure."""
    if one == other:
        return one
    parts = {part.variable.name: part for part in one.parts}
    if any(part.variable.name in parts for part in other.parts):
        raise DapError(400, f"{one.name!r} is asked for twice")
    parts |= {part.variable.name: part for part in other.parts}
    members = (one.name, *dataset.variables[one.name].maps)
    chosen = tuple(parts[member] for member in members if member in parts)
    return Projection(one.name, "Structure", chosen)
