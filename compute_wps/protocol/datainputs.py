"""The little language of `DataInputs` and `ResponseDocument` in a query string.

    name=value@attribute=value;name=value;...

A `;` ends a value only before `name=`, and an `@` only before the name of an attribute and `=`, and
neither does so within JSON or within single quotes. The whole may stand in single quotes too.
"""

import json
import re
from collections.abc import Iterator, Mapping

from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.requests import Input, Reference, RequestedOutput
from compute_wps.protocol.values import boolean, decoded, media_type, method, uri

_NAME = r"\s*(\w[\w.:\-]*)\s*="
_ATTRIBUTE = r"\s*@(mimeType|encoding|schema|dataType|uom|asReference|xlink:href|href|method)="
_START = re.compile(rf"{_NAME}\s*")
_NEXT_ATTRIBUTE = re.compile(_ATTRIBUTE, re.IGNORECASE)
_END = re.compile(rf"\s*(?:;(?={_NAME})|(?={_ATTRIBUTE})|;?\s*$)", re.IGNORECASE)

Attributes = Mapping[str, str]


def parse_inputs(text: str) -> tuple[Input, ...]:
    """Return the inputs of a `DataInputs` value, percent-decoded."""
    return tuple(_input(*found) for found in split(text))


def parse_outputs(text: str, locator: str) -> tuple[RequestedOutput, ...]:
    """Return the outputs that `ResponseDocument` or `RawDataOutput` names."""
    parts = (part.strip() for part in text.split(";"))
    return tuple(_output(part, locator) for part in parts if part)


def split(text: str) -> Iterator[tuple[str, str, Attributes]]:
    """Yield the name, value and attributes of each input; attribute names are in lower case."""
    text = text.strip()
    if len(text) > 1 and text[0] == text[-1] == "'":
        text = text[1:-1]
    position = 0
    while position < len(text):
        if not (start := _START.match(text, position)):
            raise ProtocolError(
                "InvalidParameterValue",
                f"DataInputs has {text[position : position + 40]!r} where name=value is expected",
                "DataInputs",
            )
        value, position = _value(text, start.end())
        attributes = {}
        while attribute := _NEXT_ATTRIBUTE.match(text, position):
            attributes[attribute[1].lower()], position = _value(text, attribute.end())
        if end := _END.match(text, position):
            position = end.end()
        yield start[1], value, attributes


def _value(text: str, start: int) -> tuple[str, int]:
    """Return the value that begins at `start` and the position behind it."""
    found = _quoted(text, start) or _structured(text, start)
    if found and _END.match(text, found[1]):
        return found
    end = next(_END.finditer(text, start)).start()
    return text[start:end], end


def _structured(text: str, start: int) -> tuple[str, int] | None:
    if not text.startswith(("[", "{", '"'), start):
        return None
    try:
        _, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return text[start:end], end


def _quoted(text: str, start: int) -> tuple[str, int] | None:
    if not text.startswith("'", start):
        return None
    if (inner := _structured(text, start + 1)) and text.startswith("'", inner[1]):
        return inner[0], inner[1] + 1
    ends = (match.start() for match in re.compile("'").finditer(text, start + 1))
    return next(
        ((text[start + 1 : end], end + 1) for end in ends if _END.match(text, end + 1)), None
    )


def _input(identifier: str, value: str, attributes: Attributes) -> Input:
    mime_type = media_type(attributes.get("mimetype"))
    encoding = uri(attributes.get("encoding"), "encoding")
    schema = uri(attributes.get("schema"), "schema")
    if href := uri(attributes.get("xlink:href") or attributes.get("href"), "href"):
        how = method(attributes.get("method"))
        reference = Reference(href, how, mime_type=mime_type, encoding=encoding, schema=schema)
        return Input(identifier, reference=reference)
    data, encoding = decoded(value, encoding)
    return Input(
        identifier,
        data=data,
        mime_type=mime_type,
        encoding=encoding,
        schema=schema,
        data_type=uri(attributes.get("datatype"), "dataType"),
        uom=uri(attributes.get("uom"), "uom"),
    )


def _output(text: str, locator: str) -> RequestedOutput:
    identifier, *rest = _NEXT_ATTRIBUTE.split(text)
    if not identifier.strip():
        raise ProtocolError("InvalidParameterValue", f"{locator} {text!r} names no output", locator)
    names, texts = rest[::2], rest[1::2]
    attributes = {key.lower(): value for key, value in zip(names, texts, strict=True)}
    return RequestedOutput(
        identifier.strip(),
        as_reference=boolean(attributes.get("asreference"), "asReference"),
        mime_type=media_type(attributes.get("mimetype")),
        encoding=uri(attributes.get("encoding"), "encoding"),
        schema=uri(attributes.get("schema"), "schema"),
        uom=uri(attributes.get("uom"), "uom"),
    )
