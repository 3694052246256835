"""Requests from query strings.

Parameter names are taken in any case, unknown ones are ignored, a repeated one is refused. Query
strings are form encoded: `+` is a space and a plus sign in a value is written `%2B`. How the values
of `DataInputs` are told apart is in `datainputs`.
"""

from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl

from compute_wps.protocol.datainputs import parse_inputs, parse_outputs
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.negotiation import (
    negotiate_version,
    require_service,
    require_version,
)
from compute_wps.protocol.requests import (
    DescribeProcess,
    Execute,
    GetCapabilities,
    RawDataOutput,
    Request,
    ResponseDocument,
)
from compute_wps.protocol.values import boolean

Parameters = Mapping[str, str]

MAXIMUM_PARAMETERS = 100


def parse(query_string: str) -> Request:
    """Return the request of a query string (the part behind `?`, still encoded).

    Raises ProtocolError with the parameter at fault as locator.
    """
    parameters = _parameters(query_string)
    if not (request := parameters.get("request")):
        raise ProtocolError(
            "MissingParameterValue",
            f"request is missing; it is one of {', '.join(_OPERATIONS.values())}",
            "request",
        )
    require_service(parameters.get("service"))
    for operation, title in _OPERATIONS.items():
        if title.lower() == request.lower():
            return operation(parameters)
    raise ProtocolError(
        "OperationNotSupported",
        f"request {request!r} is not offered; offered are {', '.join(_OPERATIONS.values())}",
        "request",
    )


def _parameters(query_string: str) -> Parameters:
    try:
        pairs = parse_qsl(
            query_string,
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAXIMUM_PARAMETERS,
        )
    except UnicodeDecodeError:
        raise ProtocolError(
            "InvalidParameterValue", "the query string is not percent-encoded UTF-8"
        ) from None
    except ValueError:
        raise ProtocolError(
            "InvalidParameterValue",
            f"the query string has more than {MAXIMUM_PARAMETERS} parameters; "
            "write & within a value as %26",
        ) from None
    parameters: dict[str, str] = {}
    for key, value in pairs:
        if (key := key.lower()) in parameters:
            raise ProtocolError("InvalidParameterValue", f"{key} is given more than once", key)
        parameters[key] = value
    return parameters


def _get_capabilities(parameters: Parameters) -> GetCapabilities:
    request = GetCapabilities(
        accept_versions=_comma_list(parameters.get("acceptversions")),
        accept_formats=_comma_list(parameters.get("acceptformats")),
        update_sequence=parameters.get("updatesequence") or None,
        language=parameters.get("language") or None,
    )
    negotiate_version(request.accept_versions)
    return request


def _describe_process(parameters: Parameters) -> DescribeProcess:
    require_version(parameters.get("version"))
    if not (identifiers := _comma_list(parameters.get("identifier"))):
        raise ProtocolError(
            "MissingParameterValue",
            "identifier is missing; give one or more, separated by commas, or all",
            "identifier",
        )
    return DescribeProcess(identifiers, parameters.get("language") or None)


def _execute(parameters: Parameters) -> Execute:
    require_version(parameters.get("version"))
    if not (identifier := parameters.get("identifier", "").strip()):
        raise ProtocolError("MissingParameterValue", "identifier is missing", "identifier")
    return Execute(
        identifier=identifier,
        inputs=parse_inputs(parameters.get("datainputs", "")),
        form=_form(parameters),
        language=parameters.get("language") or None,
    )


def _form(parameters: Parameters) -> ResponseDocument | RawDataOutput | None:
    document = ("responsedocument", "storeexecuteresponse", "status", "lineage")
    if raw := parameters.get("rawdataoutput"):
        if parameters.get("responsedocument"):
            raise ProtocolError(
                "InvalidParameterValue",
                "RawDataOutput and ResponseDocument exclude each other; give one of them",
                "RawDataOutput",
            )
        outputs = parse_outputs(raw, "RawDataOutput")
        if len(outputs) != 1:
            raise ProtocolError(
                "InvalidParameterValue",
                f"RawDataOutput names {len(outputs)} outputs; it takes one",
                "RawDataOutput",
            )
        return RawDataOutput(outputs[0])
    if not any(name in parameters for name in document):
        return None
    return ResponseDocument(
        store=boolean(parameters.get("storeexecuteresponse"), "storeExecuteResponse"),
        status=boolean(parameters.get("status"), "status"),
        lineage=boolean(parameters.get("lineage"), "lineage"),
        outputs=parse_outputs(parameters.get("responsedocument", ""), "ResponseDocument"),
    )


def _comma_list(text: str | None) -> tuple[str, ...]:
    return tuple(part for item in (text or "").split(",") if (part := item.strip()))


_OPERATIONS: dict[Callable[[Parameters], Request], str] = {
    _get_capabilities: "GetCapabilities",
    _describe_process: "DescribeProcess",
    _execute: "Execute",
}
