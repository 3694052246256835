"""Whether an operation fits the process it names: number of inputs, parameters."""

from collections.abc import Iterable
from typing import Any

from compute_tasks.errors import InvalidInput, MissingInput
from compute_tasks.jsontext import shown
from compute_tasks.model import Operation
from compute_tasks.registry import Parameter, Process


def label(operation: Operation) -> str:
    """Return how messages call an operation: process and name."""
    return f"{operation.process} ({operation.name})"


def refused(operation: Operation, text: str) -> InvalidInput:
    """Return the error that says what is wrong with an operation."""
    return InvalidInput(f"{label(operation)}: {text}", locator="operation")


def listed(names: Iterable[str]) -> str:
    """Return names as a message lists them, cut when there are many."""
    known = list(names)
    return ", ".join(known[:20]) + (", ..." if len(known) > 20 else "") or "none"


def check_arity(operation: Operation, process: Process) -> None:
    """Refuse a number of inputs the process does not take."""
    count, least, most = len(operation.inputs), process.minimum, process.maximum
    if count >= least and (most is None or count <= most):
        return
    wanted = f"{least} or more" if most is None else f"{least} to {most}"
    wanted = f"{least}" if most == least else wanted
    noun = "input" if wanted == "1" else "inputs"
    text = f"{label(operation)} takes {wanted} {noun}; it is given {count}"
    error = InvalidInput if count else MissingInput
    raise error(text, locator="operation")


def parse_arguments(operation: Operation, process: Process) -> dict[str, Any]:
    """Return the parsed value, or the default, of every parameter the process declares.

    Raises MissingInput for a required one that is not given, InvalidInput for an unknown one and
    for a text that cannot be parsed or what does not go together, both with the parameter as
    locator where there is one.
    """
    declared = [p.name for p in process.parameters]
    if strange := [name for name in operation.parameters if name not in declared]:
        raise refused(operation, f"no parameter {shown(strange[0])}; it takes {listed(declared)}")
    arguments = {p.name: _argument(operation, p) for p in process.parameters}
    try:
        process.check(len(operation.inputs), arguments)
    except (InvalidInput, MissingInput) as error:
        raise type(error)(f"{label(operation)}: {error.message}", locator=error.locator) from error
    return arguments


def _argument(operation: Operation, parameter: Parameter) -> Any:
    if parameter.name not in operation.parameters:
        if parameter.required:
            raise MissingInput(
                f"{label(operation)} needs the parameter {parameter.name!r} ({parameter.kind})",
                locator=parameter.name,
            )
        return parameter.default
    text = operation.parameters[parameter.name]
    try:
        return parameter.parse(text)
    except ValueError as error:
        raise InvalidInput(
            f"{label(operation)}: parameter {parameter.name!r} {shown(text)}: {error}",
            locator=parameter.name,
        ) from error
