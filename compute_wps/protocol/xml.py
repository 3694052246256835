"""Requests from posted XML documents.

The parser loads no DTD, expands no entity, opens no address and keeps libxml2's limits on depth and
size; how large a body may be is the caller's to say. `execute_document` is the way back.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypedDict

from lxml import etree

from compute_wps.protocol.echo import execute_document
from compute_wps.protocol.elements import NAMESPACES, name
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.negotiation import negotiate_version, require_service, require_version
from compute_wps.protocol.requests import (
    DescribeProcess,
    Execute,
    GetCapabilities,
    Input,
    RawDataOutput,
    Reference,
    Request,
    RequestedOutput,
    ResponseDocument,
)
from compute_wps.protocol.values import boolean, decoded, media_type, method, uri

__all__ = ["execute_document", "parse"]


class _Form(TypedDict):
    mime_type: str | None
    encoding: str | None
    schema: str | None


def parse(body: bytes) -> Request:
    """Return the request of a posted document.

    Raises ProtocolError; a document that is not well-formed is refused with the line at fault.
    """
    root = _document(body)
    if (operation := _operation(root)) is None:
        raise ProtocolError(
            "OperationNotSupported",
            f"request {etree.QName(root).localname!r} is not offered; "
            f"offered are {', '.join(_OPERATIONS)}",
            "request",
        )
    require_service(root.get("service"))
    return operation(root)


def _document(body: bytes) -> etree._Element:
    if not body.strip():
        raise ProtocolError(
            "MissingParameterValue",
            f"the request body is empty; post one of {', '.join(_OPERATIONS)} as XML, "
            "or send parameters by GET",
            "request",
        )
    parser = etree.XMLParser(
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        # The reason of libxml2 ends with line and column.
        reason = getattr(error, "msg", None) or "it is not XML, line 1"
        raise ProtocolError(
            "NoApplicableCode", f"the document is not well-formed: {reason}"
        ) from None
    if root.getroottree().docinfo.doctype:
        raise ProtocolError(
            "NoApplicableCode", "the document has a DOCTYPE; document types are not accepted"
        )
    return root


def _operation(root: etree._Element) -> Callable[[etree._Element], Request] | None:
    """Return how to read the document; raise when it is not of WPS 1.0.0 at all."""
    qualified = etree.QName(root)
    if qualified.namespace in (NAMESPACES["wps"], NAMESPACES["ows"]):
        return _OPERATIONS.get(qualified.localname)
    if qualified.localname == "Envelope":
        raise ProtocolError(
            "OperationNotSupported", "SOAP is not offered; post the WPS document itself", "request"
        )
    if (qualified.namespace or "").startswith("http://www.opengis.net/wps/"):
        raise ProtocolError(
            "VersionNegotiationFailed",
            f"namespace {qualified.namespace} is not offered; offered is {NAMESPACES['wps']}",
            "version",
        )
    raise ProtocolError(
        "NoApplicableCode",
        f"the document is {root.tag}, not a request in namespace {NAMESPACES['wps']}",
    )


def _get_capabilities(root: etree._Element) -> GetCapabilities:
    request = GetCapabilities(
        accept_versions=_texts(root, "ows:AcceptVersions/ows:Version")
        or _texts(root, "wps:AcceptVersions/ows:Version"),
        accept_formats=_texts(root, "ows:AcceptFormats/ows:OutputFormat"),
        update_sequence=root.get("updateSequence") or None,
        language=root.get("language") or None,
    )
    negotiate_version(request.accept_versions)
    return request


def _describe_process(root: etree._Element) -> DescribeProcess:
    require_version(root.get("version"))
    if not (identifiers := _texts(root, "ows:Identifier")):
        raise ProtocolError(
            "MissingParameterValue",
            "the document names no ows:Identifier; name one or more processes, or all",
            "identifier",
        )
    return DescribeProcess(identifiers, root.get("language") or None)


def _execute(root: etree._Element) -> Execute:
    require_version(root.get("version"))
    form = root.find("wps:ResponseForm", NAMESPACES)
    return Execute(
        identifier=_identifier(root),
        inputs=tuple(_input(e) for e in root.iterfind("wps:DataInputs/wps:Input", NAMESPACES)),
        form=None if form is None else _form(form),
        language=root.get("language") or None,
    )


def _input(element: etree._Element) -> Input:
    given = Input(
        _identifier(element),
        title=_text(element, "ows:Title"),
        abstract=_text(element, "ows:Abstract"),
    )
    for path, read in _VALUES.items():
        if (found := element.find(path, NAMESPACES)) is not None:
            return read(found, given)
    raise ProtocolError(
        "MissingParameterValue",
        f"input {given.identifier} has no value; give ComplexData, LiteralData or Reference",
        given.identifier,
    )


def _literal(element: etree._Element, given: Input) -> Input:
    return replace(
        given,
        data=_content(element),
        literal=True,
        data_type=uri(element.get("dataType"), "dataType"),
        uom=uri(element.get("uom"), "uom"),
    )


def _complex(element: etree._Element, given: Input) -> Input:
    form = _form_of(element)
    data, form["encoding"] = decoded(_content(element), form["encoding"])
    return replace(given, data=data, **form)


def _bounding_box(element: etree._Element, given: Input) -> Input:
    raise ProtocolError(
        "InvalidParameterValue",
        f"input {given.identifier} is BoundingBoxData; use ComplexData, LiteralData or Reference",
        given.identifier,
    )


def _reference(element: etree._Element, given: Input) -> Input:
    href = uri(element.get(name("xlink:href")), "href")
    if href is None:
        raise ProtocolError(
            "MissingParameterValue",
            f"the Reference of input {given.identifier} has no xlink:href",
            given.identifier,
        )
    body = element.find("wps:Body", NAMESPACES)
    address = element.find("wps:BodyReference", NAMESPACES)
    reference = Reference(
        href=href,
        method=method(element.get("method")),
        headers=tuple(
            (header.get("key", ""), header.get("value", ""))
            for header in element.iterfind("wps:Header", NAMESPACES)
        ),
        body=None if body is None else _content(body),
        body_href=None if address is None else uri(address.get(name("xlink:href")), "href"),
        **_form_of(element),
    )
    return replace(given, reference=reference)


def _form(element: etree._Element) -> ResponseDocument | RawDataOutput:
    if (raw := element.find("wps:RawDataOutput", NAMESPACES)) is not None:
        return RawDataOutput(_output(raw))
    if (document := element.find("wps:ResponseDocument", NAMESPACES)) is not None:
        return ResponseDocument(
            store=boolean(document.get("storeExecuteResponse"), "storeExecuteResponse"),
            status=boolean(document.get("status"), "status"),
            lineage=boolean(document.get("lineage"), "lineage"),
            outputs=tuple(_output(e) for e in document.iterfind("wps:Output", NAMESPACES)),
        )
    raise ProtocolError(
        "MissingParameterValue",
        "ResponseForm holds neither ResponseDocument nor RawDataOutput",
        "ResponseForm",
    )


def _output(element: etree._Element) -> RequestedOutput:
    return RequestedOutput(
        identifier=_identifier(element),
        as_reference=boolean(element.get("asReference"), "asReference"),
        uom=uri(element.get("uom"), "uom"),
        **_form_of(element),
    )


def _form_of(element: etree._Element) -> _Form:
    return {
        "mime_type": media_type(element.get("mimeType")),
        "encoding": uri(element.get("encoding"), "encoding"),
        "schema": uri(element.get("schema"), "schema"),
    }


def _identifier(element: etree._Element) -> str:
    if identifier := _text(element, "ows:Identifier"):
        return identifier
    raise ProtocolError(
        "MissingParameterValue",
        f"{etree.QName(element).localname} at line {element.sourceline} has no ows:Identifier",
        "identifier",
    )


def _content(element: etree._Element) -> str:
    """Return text, CDATA and nested elements as one text."""
    inner = (etree.tostring(child, encoding="unicode") for child in element)
    return (element.text or "") + "".join(inner)


def _text(element: etree._Element, path: str) -> str | None:
    return (element.findtext(path, namespaces=NAMESPACES) or "").strip() or None


def _texts(root: etree._Element, path: str) -> tuple[str, ...]:
    found = ((e.text or "").strip() for e in root.iterfind(path, NAMESPACES))
    return tuple(text for text in found if text)


_OPERATIONS: dict[str, Callable[[etree._Element], Request]] = {
    "GetCapabilities": _get_capabilities,
    "DescribeProcess": _describe_process,
    "Execute": _execute,
}

_VALUES: dict[str, Callable[[etree._Element, Input], Input]] = {
    "wps:Reference": _reference,
    "wps:Data/wps:LiteralData": _literal,
    "wps:Data/wps:ComplexData": _complex,
    "wps:Data/wps:BoundingBoxData": _bounding_box,
}
