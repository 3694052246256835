"""Building XML: namespaces, adding elements, and what text and attributes may hold."""

import re
from collections.abc import Mapping
from functools import cache

from lxml import etree

NAMESPACES = {
    "wps": "http://www.opengis.net/wps/1.0.0",
    "ows": "http://www.opengis.net/ows/1.1",
    "xlink": "http://www.w3.org/1999/xlink",
    "xsi": "http://www.w3.org/2001/XMLSchema-instance",
    "xml": "http://www.w3.org/XML/1998/namespace",
}
SCHEMAS = "http://schemas.opengis.net/"

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_TYPES = etree.XMLSchema(
    etree.XML("""
    <schema xmlns="http://www.w3.org/2001/XMLSchema">
      <element name="uri" type="anyURI"/>
      <element name="mediaType">
        <simpleType><restriction base="string">
          <pattern
            value="(application|audio|image|text|video|message|multipart|model)/.+(;\\s*.+=.+)*"/>
        </restriction></simpleType>
      </element>
    </schema>""")
)


@cache
def name(prefixed: str) -> str:
    """Return the qualified form of `prefix:local`; a name without prefix is in no namespace."""
    prefix, colon, local = prefixed.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}" if colon else prefixed


def root(tag: str, schema: str, language: str, attributes: Mapping[str, str]) -> etree._Element:
    """Return the root element of a response document.

    `schema` is the path of its schema below schemas.opengis.net.
    """
    prefixes = {prefix: uri for prefix, uri in NAMESPACES.items() if prefix != "xml"}
    element = etree.Element(name(tag), nsmap=prefixes)
    namespace = NAMESPACES[tag.partition(":")[0]]
    element.set(name("xsi:schemaLocation"), f"{namespace} {SCHEMAS}{schema}")
    element.set(name("xml:lang"), language)
    for key, value in attributes.items():
        element.set(name(key), value)
    return element


def add(
    parent: etree._Element,
    tag: str,
    text: str | None = None,
    attributes: Mapping[str, str | None] | None = None,
) -> etree._Element:
    """Append an element with that text; attributes that are None are left out."""
    element = etree.SubElement(parent, name(tag))
    if text is not None:
        element.text = printable(text)
    for key, value in (attributes or {}).items():
        if value is not None:
            element.set(name(key), printable(value))
    return element


def serialize(element: etree._Element) -> bytes:
    """Return the document in UTF-8 with its declaration."""
    return etree.tostring(element, xml_declaration=True, encoding="UTF-8")


def printable(text: str) -> str:
    """Return the text with the characters that XML cannot hold replaced by U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


def is_printable(text: str) -> bool:
    """Tell whether XML can hold the text and gives it back unchanged."""
    return not _NOT_XML.search(text)


def is_media_type(text: str) -> bool:
    """Tell whether OGC's schemas take the text as a media type."""
    return _is("mediaType", text)


def is_uri(text: str) -> bool:
    """Tell whether the schemas take the text as an address or as the name of a unit or encoding."""
    return _is("uri", text)


def _is(kind: str, text: str) -> bool:
    if not is_printable(text):
        return False
    element = etree.Element(kind)
    element.text = text
    return _TYPES.validate(element)
