"""An Execute held against the declaration of its process, before it is accepted."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pywps

from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.literals import literal_input
from compute_wps.protocol.requests import (
    Execute,
    Input,
    RawDataOutput,
    RequestedOutput,
    ResponseDocument,
)


def check(execute: Execute, process: pywps.Process) -> Execute:
    """Return the request with identifiers as declared and every output named.

    Input identifiers are taken in any case. Raises ProtocolError for inputs that are unknown,
    missing or too many, for outputs and formats that are not offered, and for response forms that
    contradict themselves; the locator is the input or output at fault.
    """
    inputs = tuple(_input(given, process) for given in execute.inputs)
    _check_counts(inputs, process)
    return replace(execute, inputs=inputs, form=_form(execute.form, process))


def _input(given: Input, process: pywps.Process) -> Input:
    declared = {declaration.identifier: declaration for declaration in process.inputs}
    same = [i for i in declared if i.lower() == given.identifier.lower()]
    if given.identifier in declared:
        identifier = given.identifier
    elif len(same) == 1:
        identifier = same[0]
    else:
        raise ProtocolError(
            "InvalidParameterValue",
            f"{process.identifier} has no input {given.identifier!r}; it has {_list(declared)}",
            given.identifier,
        )
    literal = isinstance(declared[identifier], pywps.LiteralInput)
    if literal and given.reference:
        raise ProtocolError(
            "InvalidParameterValue",
            f"input {identifier} is a literal; give its value, not a Reference",
            identifier,
        )
    given = replace(given, identifier=identifier, literal=literal)
    if literal:
        literal_input(declared[identifier], given)
    else:
        _check_format(given, declared[identifier])
    return given


def _check_format(given: Input, declared: pywps.ComplexInput) -> None:
    offered = [supported.mime_type for supported in declared.supported_formats]
    stated = (given.reference or given).mime_type or ""
    media_type = stated.partition(";")[0].strip()
    if media_type and media_type not in offered:
        raise ProtocolError(
            "InvalidParameterValue",
            f"input {given.identifier} is {stated!r}; it takes {_list(offered)}",
            given.identifier,
        )


def _check_counts(inputs: Iterable[Input], process: pywps.Process) -> None:
    counts = Counter(given.identifier for given in inputs)
    for declared in process.inputs:
        count, maximum = counts[declared.identifier], declared.max_occurs
        if count < declared.min_occurs:
            raise ProtocolError(
                "MissingParameterValue",
                f"{process.identifier} needs input {declared.identifier} "
                f"{_times(declared.min_occurs)}; it is given {_times(count)}",
                declared.identifier,
            )
        if maximum is not None and count > maximum:
            raise ProtocolError(
                "InvalidParameterValue",
                f"{process.identifier} takes input {declared.identifier} at most "
                f"{_times(maximum)}; it is given {_times(count)}",
                declared.identifier,
            )


def _form(
    form: ResponseDocument | RawDataOutput | None, process: pywps.Process
) -> ResponseDocument | RawDataOutput | None:
    if isinstance(form, RawDataOutput):
        _check_output(form.output, process)
        return form
    if form is None:
        return None
    if form.status and not form.store:
        raise ProtocolError(
            "InvalidParameterValue",
            "status=true needs storeExecuteResponse=true, whose document shows it",
            "status",
        )
    for output in form.outputs:
        _check_output(output, process)
    every = tuple(RequestedOutput(declared.identifier) for declared in process.outputs)
    return replace(form, outputs=form.outputs or every)


def _check_output(output: RequestedOutput, process: pywps.Process) -> None:
    declared = {declaration.identifier: declaration for declaration in process.outputs}
    if output.identifier not in declared:
        raise ProtocolError(
            "InvalidParameterValue",
            f"{process.identifier} has no output {output.identifier!r}; it has {_list(declared)}",
            output.identifier,
        )
    formats = getattr(declared[output.identifier], "supported_formats", ())
    offered = [supported.mime_type for supported in formats]
    if output.mime_type and offered and output.mime_type not in offered:
        raise ProtocolError(
            "InvalidParameterValue",
            f"output {output.identifier} is not offered as {output.mime_type!r}; "
            f"offered are {_list(offered)}",
            output.identifier,
        )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
