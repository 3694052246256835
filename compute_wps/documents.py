"""From the rows of a job to what its client gets: status documents, outputs, raw values."""

import json
from dataclasses import replace
from typing import cast
from urllib.parse import quote

from django.conf import settings
from django.utils import timezone

from compute_wps import catalog, fairness
from compute_wps.data.links import links
from compute_wps.models import Job, Output, State
from compute_wps.protocol import xml
from compute_wps.protocol.exceptions import Fault, ProtocolError
from compute_wps.protocol.execution import (
    DISMISSED,
    ComplexValue,
    Execution,
    LiteralValue,
    OutputValue,
    ReferenceValue,
    execute_response,
)
from compute_wps.protocol.execution import State as Shown
from compute_wps.protocol.negotiation import negotiate_language
from compute_wps.protocol.requests import Execute, RequestedOutput, ResponseDocument

JSON = "application/json"


def endpoint(base_url: str) -> str:
    """Return the address of the WPS."""
    return f"{base_url}/wps"


def status_location(job: Job) -> str:
    """Return the address of the job's status document."""
    return f"{job.base_url}/wps/api/job/{job.id}.wps"


def request_of(job: Job) -> Execute:
    """Return the Execute the job was made from."""
    return cast(Execute, xml.parse(job.document.encode()))


def response(job: Job, *, located: bool = True) -> bytes:
    """Return the ExecuteResponse of a job as it stands; `located` adds its status address."""
    execute = request_of(job)
    form = execute.form if isinstance(execute.form, ResponseDocument) else ResponseDocument()
    execution = Execution(
        process=catalog.offered().get(job.identifier),
        created=job.updated,
        state=Shown(job.status),
        service_instance=_service_instance(job.base_url),
        percent=job.percent,
        message=fairness.message(job),
        error=fault_of(job),
        status_location=status_location(job) if located else None,
        lineage=execute if form.lineage else None,
    )
    if job.status == State.SUCCEEDED:
        execution = _finished(execution, job, form.outputs)
    return execute_response(execution, _language(execute.language))


def acceptance(job: Job) -> bytes:
    """Return the ExecuteResponse that says a job was accepted, however far it is by now."""
    execute = request_of(job)
    waits = job.status == State.ACCEPTED
    execution = Execution(
        process=catalog.offered().get(job.identifier),
        created=job.accepted,
        state=Shown.ACCEPTED,
        service_instance=_service_instance(job.base_url),
        message=fairness.message(job) if waits else "accepted; see the status address",
        status_location=status_location(job),
    )
    return execute_response(execution, _language(execute.language))


def unknown_response(name: str, base_url: str) -> bytes:
    """Return the ExecuteResponse of a job that is not known."""
    text = f"No job {name!r} is known here; it was never accepted, or its record is gone."
    execution = Execution(
        process=None,
        created=timezone.now(),
        state=Shown.FAILED,
        service_instance=_service_instance(base_url),
        error=Fault("InvalidParameterValue", "job", text),
    )
    return execute_response(execution, _language(None))


def unreadable_response(base_url: str) -> bytes:
    """Return the ExecuteResponse that makes a client ask again later."""
    execution = Execution(
        process=None,
        created=timezone.now(),
        state=Shown.ACCEPTED,
        service_instance=_service_instance(base_url),
        message="The state of the job cannot be read at the moment; ask again.",
    )
    return execute_response(execution, _language(None))


def fault_of(job: Job) -> Fault | None:
    """Return why there is no result and never will be, or None."""
    if job.status == State.FAILED:
        return Fault(job.error_code, job.error_locator or None, job.error_text)
    if job.status == State.DISMISSED:
        return DISMISSED
    if job.expired:
        text = f"The results expired on {job.expires:%Y-%m-%d %H:%M} UTC and were removed; "
        text += "send the request again."
        return Fault("NoApplicableCode", None, text)
    return None


def message_of(job: Job) -> str:
    """Return what there is to say of a job: why it has no result, else how it stands."""
    fault = fault_of(job)
    return fault.text if fault else fairness.message(job)


def value_of(job: Job, identifier: str) -> Output:
    """Return one output of a finished job; that of a workflow holds the JSON list of its files.

    Raises ProtocolError when the job has not succeeded or has no such output.
    """
    if fault := fault_of(job):
        raise ProtocolError(fault.code, fault.text, fault.locator)
    if job.status != State.SUCCEEDED:
        raise ProtocolError(
            "NoApplicableCode",
            f"The job has no outputs yet, it is {job.status}; "
            f"its state is shown at {status_location(job)}",
        )
    outputs = _outputs(job)
    if identifier not in outputs:
        names = ", ".join(outputs) or "none"
        raise ProtocolError(
            "InvalidParameterValue",
            f"the job left no output {identifier!r}; it left {names}",
            identifier,
        )
    return outputs[identifier]


def download(job: Job, output: Output) -> str:
    """Return the address a file can be fetched from."""
    return links(job.base_url, output.path, settings.COMPUTE.thredds_url).http


def _finished(execution: Execution, job: Job, wanted: tuple[RequestedOutput, ...]) -> Execution:
    if job.expired:
        return replace(execution, state=Shown.FAILED)
    outputs = _outputs(job)
    asked = wanted or [RequestedOutput(identifier) for identifier in outputs]
    values = [_value(job, outputs[a.identifier], a) for a in asked if a.identifier in outputs]
    ours = catalog.is_ours(job.identifier)
    message = outputs["output"].value if ours else execution.message
    return replace(execution, message=message, outputs=tuple(values))


def _outputs(job: Job) -> dict[str, Output]:
    """Return the outputs by identifier; the files of a workflow are one, a JSON list."""
    if not catalog.is_ours(job.identifier):
        return {output.identifier: output for output in job.outputs.all()}
    files = [
        {
            "uri": links(job.base_url, file.path, settings.COMPUTE.thredds_url).opendap,
            "id": file.name,
            "mime_type": file.mime_type,
        }
        for file in job.outputs.all()
    ]
    kind = Output.Kind.COMPLEX
    return {
        "output": Output(identifier="output", kind=kind, value=json.dumps(files), mime_type=JSON)
    }


def _value(job: Job, output: Output, asked: RequestedOutput) -> OutputValue:
    """Return the output in the form asked for; files are always referred to, literals never."""
    form = (output.mime_type or None, output.encoding or None, output.schema or None)
    match output.kind:
        case Output.Kind.LITERAL:
            kind, unit = output.data_type or None, output.uom or None
            return LiteralValue(output.identifier, output.value, kind, unit)
        case Output.Kind.FILE:
            return ReferenceValue(output.identifier, download(job, output), *form)
        case Output.Kind.REFERENCE:
            return ReferenceValue(output.identifier, output.value, *form)
    if not asked.as_reference:
        return ComplexValue(output.identifier, output.value, *form)
    href = f"{job.base_url}/wps/api/output/{job.id}/{quote(output.identifier)}"
    return ReferenceValue(output.identifier, href, *form)


def _service_instance(base_url: str) -> str:
    return f"{endpoint(base_url)}?service=WPS&request=GetCapabilities"


def _language(asked: str | None) -> str:
    """Return the language of a document; one that was offered once falls back to the default."""
    try:
        return negotiate_language(asked, settings.COMPUTE.service_languages)
    except ProtocolError:
        return settings.COMPUTE.service_languages[0]
