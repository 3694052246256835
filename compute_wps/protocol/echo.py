"""An Execute request written as XML again: the document of a job and the lineage of a response."""

from lxml import etree

from compute_wps.protocol.elements import NAMESPACES, add, name
from compute_wps.protocol.requests import (
    VERSION,
    Execute,
    Input,
    RawDataOutput,
    Reference,
    RequestedOutput,
    ResponseDocument,
)


def execute_document(execute: Execute) -> str:
    """Return the request as an Execute document that can be posted again.

    The headers sent with a reference may hold credentials and are left out.
    """
    prefixes = {prefix: NAMESPACES[prefix] for prefix in ("wps", "ows", "xlink")}
    root = etree.Element(name("wps:Execute"), nsmap=prefixes)
    root.set("service", "WPS")
    root.set("version", VERSION)
    if execute.language:
        root.set("language", execute.language)
    add(root, "ows:Identifier", execute.identifier)
    add_data_inputs(root, execute)
    if isinstance(execute.form, ResponseDocument):
        _add_document(add(root, "wps:ResponseForm"), execute.form)
    elif isinstance(execute.form, RawDataOutput):
        form = add(root, "wps:ResponseForm")
        _add_output(form, "wps:RawDataOutput", execute.form.output)
    return etree.tostring(root, encoding="unicode")


def add_data_inputs(parent: etree._Element, execute: Execute) -> None:
    """Append the inputs as `DataInputs`, if there are any."""
    if execute.inputs:
        element = add(parent, "wps:DataInputs")
        for given in execute.inputs:
            _add_input(element, given)


def add_output_definitions(parent: etree._Element, execute: Execute) -> None:
    """Append the outputs asked for as `OutputDefinitions`, if any are named."""
    if isinstance(execute.form, ResponseDocument) and execute.form.outputs:
        element = add(parent, "wps:OutputDefinitions")
        for output in execute.form.outputs:
            _add_output(element, "wps:Output", output)


def _add_input(parent: etree._Element, given: Input) -> None:
    element = add(parent, "wps:Input")
    add(element, "ows:Identifier", given.identifier)
    for tag, text in (("ows:Title", given.title), ("ows:Abstract", given.abstract)):
        if text:
            add(element, tag, text)
    if given.reference:
        _add_reference(element, given.reference)
        return
    data = add(element, "wps:Data")
    if given.literal:
        attributes = {"dataType": given.data_type, "uom": given.uom}
        add(data, "wps:LiteralData", given.data or "", attributes)
    else:
        add(data, "wps:ComplexData", given.data or "", _form_of(given))


def _add_reference(parent: etree._Element, reference: Reference) -> None:
    method = None if reference.method == "GET" else reference.method
    attributes = {"xlink:href": reference.href, "method": method, **_form_of(reference)}
    element = add(parent, "wps:Reference", attributes=attributes)
    if reference.body is not None:
        add(element, "wps:Body", reference.body)
    elif reference.body_href:
        add(element, "wps:BodyReference", attributes={"xlink:href": reference.body_href})


def _add_document(parent: etree._Element, form: ResponseDocument) -> None:
    flags = {"storeExecuteResponse": form.store, "status": form.status, "lineage": form.lineage}
    attributes = {key: "true" if value else None for key, value in flags.items()}
    element = add(parent, "wps:ResponseDocument", attributes=attributes)
    for output in form.outputs:
        _add_output(element, "wps:Output", output)


def _add_output(parent: etree._Element, tag: str, output: RequestedOutput) -> None:
    attributes = {
        "asReference": "true" if output.as_reference else None,
        "uom": output.uom,
        **_form_of(output),
    }
    add(add(parent, tag, attributes=attributes), "ows:Identifier", output.identifier)


def _form_of(value: Input | Reference | RequestedOutput) -> dict[str, str | None]:
    return {"mimeType": value.mime_type, "encoding": value.encoding, "schema": value.schema}
