"""What an operation asks for when it asks for regridding, checked without opening a file.

It says so by the key `gridder`, or, if it is a CDAT.regrid, by parameters. A gridder of the
CDAT.workflow is the default of each CDAT.regrid and of the operations that read variables.
"""

from collections.abc import Callable, Mapping
from typing import Any

from compute_tasks.checks import label, listed, refused
from compute_tasks.errors import MissingInput, TaskError
from compute_tasks.jsontext import shown
from compute_tasks.model import Gridder, Operation, Workflow
from compute_tasks.regrid import targets

REGRID = "CDAT.regrid"
PARAMETERS = ("grid", "method", "tool")
METHODS = ("conservative", "linear", "nearest")
TOOLS = ("regrid2", "esmf")


def method(text: str) -> str:
    """Return the method a text names, or raise ValueError with the choices."""
    word = text.strip().lower()
    if word == "patch":
        raise ValueError(f"patch recovery is not offered; give one of {', '.join(METHODS)}")
    word = "linear" if word == "bilinear" else word
    if word not in METHODS:
        raise ValueError(f"give one of {', '.join(METHODS)}")
    return word


def tool(text: str) -> str:
    """Return the tool a text names, or raise ValueError with the choices."""
    word = text.strip().lower()
    if word not in TOOLS:
        raise ValueError(f"give one of {', '.join(TOOLS)}; both give the same result")
    return word


def gridding(
    operation: Operation, arguments: Mapping[str, Any], root: Operation | None, workflow: Workflow
) -> tuple[Gridder | None, frozenset[str]]:
    """Return the checked gridder of an operation, None without one, and the inputs it is for.

    `arguments` are the parsed parameters. Raises MissingInput for a CDAT.regrid without a grid,
    InvalidInput or TooLarge for what cannot be used, with locator `operation` or `grid`.
    """
    everything = frozenset(operation.inputs)
    if own := _own(operation, arguments):
        return checked(own, operation, workflow), everything
    read = everything & workflow.variables.keys()
    meant = everything if operation.process == REGRID else read
    if root and root.gridder and meant:
        return checked(root.gridder, root, workflow), meant
    if operation.process == REGRID:
        raise MissingInput(
            f"{label(operation)} needs a grid: the parameter 'grid' or a gridder", locator="grid"
        )
    return None, frozenset()


def checked(gridder: Gridder, operation: Operation, workflow: Workflow) -> Gridder:
    """Return the gridder with tool and method by their usual names.

    Raises InvalidInput or TooLarge, with locator `operation`, for what is not offered.
    """
    return Gridder(
        tool=_part(operation, "tool", gridder.tool, tool),
        method=_part(operation, "method", gridder.method, method),
        grid=_grid(operation, gridder.grid.strip(), workflow),
    )


def _own(operation: Operation, arguments: Mapping[str, Any]) -> Gridder | None:
    given = [name for name in PARAMETERS if name in operation.parameters]
    if operation.process != REGRID or not given:
        return operation.gridder
    if operation.gridder:
        raise refused(operation, f"has a gridder and the parameter {given[0]!r}; give one of them")
    if arguments["grid"] is None:
        return None
    return Gridder(**{name: arguments[name] for name in PARAMETERS})


def _part(operation: Operation, key: str, text: str, parse: Callable[[str], str]) -> str:
    try:
        return parse(text)
    except ValueError as error:
        raise refused(operation, f"gridder: {key} {shown(text)}: {error}") from error


def _grid(operation: Operation, text: str, workflow: Workflow) -> str:
    named, variable, domain = (
        targets.is_named(text),
        text in workflow.variables,
        text in workflow.domains,
    )
    if not (named or variable or domain):
        raise refused(
            operation,
            f"grid {shown(text)} is unknown; give one of {targets.FORMS}, a variable "
            f"({listed(workflow.variables)}) or a domain ({listed(workflow.domains)})",
        )
    if variable and domain and not named:
        raise refused(operation, f"grid {shown(text)} names both a variable and a domain")
    try:
        if named:
            targets.named(text)
        elif domain:
            targets.of_domain(workflow.domains[text])
    except TaskError as error:
        message = f"{label(operation)}: {error.message}"
        raise type(error)(message, locator=error.locator) from error
    return text
