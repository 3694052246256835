"""Validation against OGC's schemas, for tests of every package.

`validate` always parses the document; where the schemas are found (the folder OGC_SCHEMAS, else
`../shared/schemas` beside the repository) it also holds the document against them. Tests that are
about validity alone take `needs_schemas`, which shows in the summary why they are skipped.
"""

import os
from functools import cache
from pathlib import Path

import pytest
from lxml import etree

from compute_wps.protocol.elements import NAMESPACES

REPOSITORY = Path(__file__).resolve().parents[2]
SCHEMAS = Path(os.environ.get("OGC_SCHEMAS") or REPOSITORY.parent / "shared" / "schemas")
ENTRY = SCHEMAS / "wps" / "1.0.0" / "wpsAll.xsd"

needs_schemas = pytest.mark.skipif(
    not ENTRY.exists(), reason=f"OGC schemas not found at {SCHEMAS}; set OGC_SCHEMAS"
)


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(ENTRY))


def validate(document: bytes) -> etree._Element:
    """Return the root of a document that is well-formed and, as far as can be told here, valid."""
    root = etree.fromstring(document)
    if ENTRY.exists():
        _schema().assertValid(root)
    return root


def find(root: etree._Element, path: str) -> list:
    """Return what an XPath with the usual prefixes (wps, ows, xlink, xsi, xml) finds."""
    return root.xpath(path, namespaces=NAMESPACES)
