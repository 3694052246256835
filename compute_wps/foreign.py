"""Running a process of another package that is written for PyWPS.

Only its handler runs, on a copy of its declaration: inputs are filled in, the response object takes
its status updates, and its outputs are collected. PyWPS' own queue, status files and storage are
not used.
"""

import base64
import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pywps
from pywps.app.exceptions import ProcessError
from pywps.exceptions import NoApplicableCode

from compute_tasks.errors import TaskError
from compute_wps.protocol.check import check
from compute_wps.protocol.descriptions import literal_text
from compute_wps.protocol.elements import is_printable
from compute_wps.protocol.exceptions import STATUS, ProtocolError
from compute_wps.protocol.execution import ComplexValue, LiteralValue, ReferenceValue
from compute_wps.protocol.literals import literal_input
from compute_wps.protocol.requests import Execute, Input

Report = Callable[[int, str], None]


@dataclass(frozen=True, slots=True)
class FileValue:
    """An output that the process wrote to a file in its work directory."""

    identifier: str
    path: Path
    mime_type: str
    encoding: str | None = None
    schema: str | None = None


ForeignOutput = LiteralValue | ComplexValue | ReferenceValue | FileValue


class Response:
    """What a handler gets to write its outputs to and to report its progress."""

    def __init__(self, process: pywps.Process, report: Report) -> None:
        self.process = process
        self.outputs = {output.identifier: output for output in process.outputs}
        self._report = report
        self._percent = 0

    def update_status(self, message: str, status_percentage: float | None = None) -> None:
        """Report a message and a percentage from 0 to 100; without one the last stays."""
        if status_percentage is not None:
            self._percent = min(max(int(status_percentage), 0), 100)
        self._report(self._percent, message)


def run_foreign(
    process: pywps.Process, execute: Execute, workdir: Path, report: Report
) -> list[ForeignOutput]:
    """Run the process and return its outputs in the order declared.

    References must have been replaced by their data. Outputs the handler leaves unset are not
    returned; files lie where it wrote them, by default in `workdir`. Raises ProtocolError for
    inputs that do not fit the declaration and for what the handler refuses in OGC's terms,
    TaskError for its ProcessError.
    """
    execute = check(execute, process)
    process = deepcopy(process)
    process.set_workdir(str(workdir))
    process.async_ = False
    request = pywps.WPSRequest()
    request.identifier = process.identifier
    request.inputs = _fill(process, execute)
    response = Response(process, report)
    try:
        process.handler(request, response)
    except ProcessError as error:
        raise TaskError(str(error)) from error
    except NoApplicableCode as error:
        code = error.name if error.name in STATUS else "NoApplicableCode"
        raise ProtocolError(code, str(error.description), error.locator or None) from error
    collected = (_collect(output) for output in process.outputs)
    return [value for value in collected if value is not None]


def _fill(process: pywps.Process, execute: Execute) -> dict[str, list[Any]]:
    """Return the inputs by identifier, each a list, as handlers expect them."""
    filled: dict[str, list[Any]] = {}
    for declared in process.inputs:
        given = [i for i in execute.inputs if i.identifier == declared.identifier]
        if given:
            filled[declared.identifier] = [_filled(declared, value) for value in given]
        elif declared._default is not None:
            value = declared.clone()
            value._set_default_value()
            filled[declared.identifier] = [value]
    return filled


def _filled(
    declared: pywps.LiteralInput | pywps.ComplexInput, given: Input
) -> pywps.LiteralInput | pywps.ComplexInput:
    if isinstance(declared, pywps.LiteralInput):
        return literal_input(declared, given)
    if given.data is None:
        raise ValueError(f"input {given.identifier} is a Reference that was not fetched")
    value = declared.clone()
    media_type = (given.mime_type or "").partition(";")[0].strip()
    value.data_format = value.get_format(media_type) or value.data_format
    try:
        binary = (given.encoding or "").lower() == "base64"
        value.data = base64.b64decode(given.data) if binary else given.data
    except NoApplicableCode as error:
        raise ProtocolError(
            "InvalidParameterValue",
            f"input {given.identifier} does not hold {value.data_format.mime_type}",
            given.identifier,
        ) from error
    return value


def _collect(output: pywps.LiteralOutput | pywps.ComplexOutput) -> ForeignOutput | None:
    if output.prop is None:
        return None
    if isinstance(output, pywps.LiteralOutput):
        uom = output.uom.uom if output.uom else None
        return LiteralValue(output.identifier, literal_text(output.data), output.data_type, uom)
    form = output.data_format
    traits = (form.mime_type, form.encoding or None, form.schema or None)
    if output.prop == "file":
        return FileValue(output.identifier, Path(output.file), *traits)
    if output.prop == "url":
        return ReferenceValue(output.identifier, output.url, *traits)
    text, encoding = _text(output.data, form.encoding or None)
    return ComplexValue(output.identifier, text, form.mime_type, encoding, form.schema or None)


def _text(data: Any, encoding: str | None) -> tuple[str, str | None]:
    """Return the data as text that XML can hold, in base64 where it must be."""
    if isinstance(data, bytes):
        return base64.b64encode(data).decode(), "base64"
    text = data if isinstance(data, str) else json.dumps(data)
    if encoding == "base64" or not is_printable(text):
        return base64.b64encode(text.encode()).decode(), "base64"
    return text, encoding
