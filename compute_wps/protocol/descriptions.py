"""Descriptions of processes: the full ones of DescribeProcess and the brief of other documents."""

from collections.abc import Iterable
from datetime import date, time
from urllib.parse import ParseResult

import pywps
from lxml import etree
from pywps.inout.literaltypes import AllowedValue, ValuesReference
from pywps.validator.allowed_value import ALLOWEDVALUETYPE

from compute_wps.protocol.elements import add, name, root, serialize
from compute_wps.protocol.requests import VERSION

UNBOUNDED = 2**31 - 1
XML_TYPES = "http://www.w3.org/TR/xmlschema-2/#"


def descriptions(
    processes: Iterable[pywps.Process], language: str, maximum_bytes: int | None = None
) -> bytes:
    """Return the descriptions; `maximum_bytes` is the most that one complex input may hold."""
    document = root(
        "wps:ProcessDescriptions",
        "wps/1.0.0/wpsDescribeProcess_response.xsd",
        language,
        {"service": "WPS", "version": VERSION},
    )
    megabytes = None if maximum_bytes is None else str(maximum_bytes // 1_000_000)
    for process in processes:
        _add_description(document, process, megabytes)
    return serialize(document)


def add_brief(element: etree._Element, process: pywps.Process) -> None:
    """Fill an element with identifier, title, abstract, metadata and version of the process."""
    element.set(name("wps:processVersion"), process.version or "0")
    add_texts(element, process)
    for metadata in process.metadata:
        attributes = {
            "xlink:title": metadata.title,
            "xlink:href": metadata.href,
            "xlink:role": metadata.role,
        }
        add(element, "ows:Metadata", attributes=attributes)


def add_texts(
    element: etree._Element,
    declared: pywps.Process | pywps.LiteralInput | pywps.ComplexInput,
) -> None:
    """Append identifier, title and, where there is one, abstract."""
    add(element, "ows:Identifier", declared.identifier)
    add(element, "ows:Title", declared.title or declared.identifier)
    if declared.abstract:
        add(element, "ows:Abstract", declared.abstract)


def _add_description(
    document: etree._Element, process: pywps.Process, megabytes: str | None
) -> None:
    supported = {
        "storeSupported": process.store_supported,
        "statusSupported": process.status_supported,
    }
    element = add(document, "ProcessDescription", attributes=supported)
    add_brief(element, process)
    if process.inputs:
        inputs = add(element, "DataInputs")
        for declared in process.inputs:
            _add_input(inputs, declared, megabytes)
    outputs = add(element, "ProcessOutputs")
    for declared in process.outputs:
        output = add(outputs, "Output")
        add_texts(output, declared)
        if isinstance(declared, pywps.LiteralOutput):
            _add_type(add(output, "LiteralOutput"), declared)
        else:
            _add_formats(add(output, "ComplexOutput"), declared)


def _add_input(
    parent: etree._Element,
    declared: pywps.LiteralInput | pywps.ComplexInput,
    megabytes: str | None,
) -> None:
    most = UNBOUNDED if declared.max_occurs is None else declared.max_occurs
    occurs = {"minOccurs": str(declared.min_occurs), "maxOccurs": str(most)}
    element = add(parent, "Input", attributes=occurs)
    add_texts(element, declared)
    if isinstance(declared, pywps.LiteralInput):
        literal = add(element, "LiteralData")
        _add_type(literal, declared)
        _add_choices(literal, declared)
    else:
        limit = {"maximumMegabytes": megabytes}
        _add_formats(add(element, "ComplexData", attributes=limit), declared)


def _add_type(element: etree._Element, declared: pywps.LiteralInput | pywps.LiteralOutput) -> None:
    reference = data_type_reference(declared.data_type)
    add(element, "ows:DataType", declared.data_type, {"ows:reference": reference})
    if declared.uoms:
        units = add(element, "UOMs")
        default, supported = add(units, "Default"), add(units, "Supported")
        for parent, offered in ((default, declared.uoms[:1]), (supported, declared.uoms)):
            for uom in offered:
                add(parent, "ows:UOM", uom.uom, {"ows:reference": uom.reference or None})


def data_type_reference(data_type: str) -> str:
    """Return the address that defines a literal's type."""
    return (
        pywps.OGCTYPE.get(data_type) if data_type in ("scale", "angle") else XML_TYPES + data_type
    )


def _add_choices(element: etree._Element, declared: pywps.LiteralInput) -> None:
    reference = declared.values_reference
    choices = [v for v in declared.allowed_values if isinstance(v, AllowedValue)]
    if isinstance(reference, ValuesReference):
        attributes = {"ows:reference": reference.reference, "valuesForm": reference.values_form}
        add(element, "ValuesReference", attributes=attributes)
    elif choices and not declared.any_value:
        allowed = add(element, "ows:AllowedValues")
        for choice in choices:
            _add_choice(allowed, choice)
    else:
        add(element, "ows:AnyValue")
    if declared._default is not None:
        add(element, "DefaultValue", literal_text(declared._default))


def _add_choice(parent: etree._Element, choice: AllowedValue) -> None:
    if choice.allowed_type == ALLOWEDVALUETYPE.VALUE:
        add(parent, "ows:Value", literal_text(choice.value))
        return
    closure = {"ows:rangeClosure": choice.range_closure}
    element = add(parent, "ows:Range", attributes=closure)
    limits = {
        "ows:MinimumValue": choice.minval,
        "ows:MaximumValue": choice.maxval,
        "ows:Spacing": choice.spacing,
    }
    for tag, limit in limits.items():
        if limit is not None:
            add(element, tag, literal_text(limit))


def literal_text(value: object) -> str:
    """Return a literal value as XML Schema writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, ParseResult):
        return value.geturl()
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _add_formats(
    element: etree._Element, declared: pywps.ComplexInput | pywps.ComplexOutput
) -> None:
    default, supported = add(element, "Default"), add(element, "Supported")
    for parent, formats in (
        (default, [declared.data_format]),
        (supported, declared.supported_formats),
    ):
        for offered in formats:
            found = add(parent, "Format")
            add(found, "MimeType", offered.mime_type)
            for tag, text in (("Encoding", offered.encoding), ("Schema", offered.schema)):
                if text:
                    add(found, tag, text)
