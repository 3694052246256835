"""The values a request is made of, parsed and frozen.

`document` builds them from the JSON of a request, `plan` checks how they fit together. Nothing
here opens a file or knows how a process computes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CRS(StrEnum):
    """How the ends of a dimension are meant."""

    VALUES = "values"
    INDICES = "indices"
    TIMESTAMPS = "timestamps"


@dataclass(frozen=True, slots=True)
class Dimension:
    """A selection along one axis.

    `start` and `end` are numbers in the axis' units for `values` (end inclusive), integers for
    `indices` (end exclusive), ISO 8601 texts, possibly partial, for `timestamps` (end inclusive).
    `None` leaves that end open. Equal ends pick one point and drop the axis. `step` is a stride in
    points, at least 1.
    """

    name: str
    start: float | int | str | None
    end: float | int | str | None
    step: int = 1
    crs: CRS = CRS.VALUES


@dataclass(frozen=True, slots=True)
class Mask:
    """A variable in a file and the condition under which a cell becomes missing."""

    uri: str
    variable: str
    operation: str


@dataclass(frozen=True, slots=True)
class Domain:
    """A named set of selections, each on another axis, and an optional mask."""

    name: str
    dimensions: tuple[Dimension, ...] = ()
    mask: Mask | None = None


@dataclass(frozen=True, slots=True)
class Variable:
    """One variable of one file; `name` is how operations of the request refer to it."""

    name: str
    variable: str
    uri: str
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Gridder:
    """A target grid and how to get there."""

    tool: str
    method: str
    grid: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One use of a process; `name` is how other operations refer to its result.

    `inputs` are names of variables or operations; `parameters` are the texts as received.
    """

    name: str
    process: str
    inputs: tuple[str, ...]
    domain: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    gridder: Gridder | None = None


@dataclass(frozen=True, slots=True)
class Workflow:
    """A whole request: what to run (`identifier`) on which variables, domains and operations."""

    identifier: str
    variables: Mapping[str, Variable]
    domains: Mapping[str, Domain]
    operations: Mapping[str, Operation]
