"""The ExecuteResponse: the state of one execution and, at its end, its outputs."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import pywps
from lxml import etree

from compute_wps.protocol.descriptions import add_brief, add_texts, data_type_reference
from compute_wps.protocol.echo import add_data_inputs, add_output_definitions
from compute_wps.protocol.elements import add, name, root, serialize
from compute_wps.protocol.exceptions import Fault
from compute_wps.protocol.reports import add_report
from compute_wps.protocol.requests import VERSION, Execute

DISMISSED = Fault("NoApplicableCode", None, "The job was dismissed.")
FAILED = Fault("NoApplicableCode", None, "The job failed.")


class State(StrEnum):
    """Where an execution stands."""

    ACCEPTED = "accepted"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    DISMISSED = "dismissed"


@dataclass(frozen=True, slots=True)
class LiteralValue:
    """An output that is a plain value; `data_type` is a name such as `float`, `uom` its unit."""

    identifier: str
    text: str
    data_type: str | None = None
    uom: str | None = None


@dataclass(frozen=True, slots=True)
class ComplexValue:
    """An output that stands in the response itself, as text."""

    identifier: str
    text: str
    mime_type: str | None = None
    encoding: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class ReferenceValue:
    """An output that is fetched from the absolute address `href`."""

    identifier: str
    href: str
    mime_type: str | None = None
    encoding: str | None = None
    schema: str | None = None


OutputValue = LiteralValue | ComplexValue | ReferenceValue


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as its client sees it.

    `created` is the time of the last change and has a zone; `percent` counts from 0 to 100 and is
    shown while the execution runs; `process` is None where it is no longer known. Addresses are
    absolute. With `lineage` the response repeats the inputs and the outputs asked for.
    """

    process: pywps.Process | None
    created: datetime
    state: State
    service_instance: str
    percent: float = 0
    message: str = ""
    error: Fault | None = None
    status_location: str | None = None
    lineage: Execute | None = None
    outputs: tuple[OutputValue, ...] = ()


def execute_response(execution: Execution, language: str) -> bytes:
    """Return the response document of an execution."""
    attributes = {
        "service": "WPS",
        "version": VERSION,
        "serviceInstance": execution.service_instance,
    }
    if execution.status_location:
        attributes["statusLocation"] = execution.status_location
    document = root(
        "wps:ExecuteResponse", "wps/1.0.0/wpsExecute_response.xsd", language, attributes
    )
    _add_process(document, execution.process)
    _add_status(document, execution, language)
    if execution.lineage:
        add_data_inputs(document, execution.lineage)
        add_output_definitions(document, execution.lineage)
    if execution.state == State.SUCCEEDED and execution.outputs:
        outputs = add(document, "wps:ProcessOutputs")
        for value in execution.outputs:
            _add_output(outputs, value, execution.process)
    return serialize(document)


def _add_process(document: etree._Element, process: pywps.Process | None) -> None:
    element = add(document, "wps:Process")
    if process:
        add_brief(element, process)
        return
    element.set(name("wps:processVersion"), "0")
    add(element, "ows:Identifier", "unknown")
    add(element, "ows:Title", "A process that is no longer known")


def _add_status(document: etree._Element, execution: Execution, language: str) -> None:
    if execution.created.tzinfo is None:
        raise ValueError(f"the time of the last change {execution.created} has no zone")
    created = {"creationTime": execution.created.isoformat(timespec="milliseconds")}
    status = add(document, "wps:Status", attributes=created)
    match execution.state:
        case State.ACCEPTED:
            add(status, "wps:ProcessAccepted", execution.message or "The job is accepted.")
        case State.STARTED:
            percent = {"percentCompleted": str(min(max(int(execution.percent), 0), 99))}
            add(status, "wps:ProcessStarted", execution.message or "The job runs.", percent)
        case State.SUCCEEDED:
            add(status, "wps:ProcessSucceeded", execution.message or "The job is done.")
        case State.FAILED:
            add_report(add(status, "wps:ProcessFailed"), execution.error or FAILED, language)
        case State.DISMISSED:
            add_report(add(status, "wps:ProcessFailed"), execution.error or DISMISSED, language)


def _add_output(parent: etree._Element, value: OutputValue, process: pywps.Process | None) -> None:
    element = add(parent, "wps:Output")
    declared = next(
        (o for o in (process.outputs if process else ()) if o.identifier == value.identifier), None
    )
    if declared:
        add_texts(element, declared)
    else:
        add(element, "ows:Identifier", value.identifier)
        add(element, "ows:Title", value.identifier)
    if isinstance(value, LiteralValue):
        reference = data_type_reference(value.data_type) if value.data_type else None
        attributes = {"dataType": reference, "uom": value.uom or None}
        add(add(element, "wps:Data"), "wps:LiteralData", value.text, attributes)
        return
    form = {"mimeType": value.mime_type, "encoding": value.encoding, "schema": value.schema}
    shown = {key: text or None for key, text in form.items()}
    if isinstance(value, ReferenceValue):
        add(element, "wps:Reference", attributes={"href": value.href, **shown})
    else:
        add(add(element, "wps:Data"), "wps:ComplexData", value.text, shown)
