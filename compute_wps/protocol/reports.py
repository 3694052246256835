"""The exception report, by itself and within a failed execution."""

from lxml import etree

from compute_wps.protocol.elements import add, root, serialize
from compute_wps.protocol.exceptions import Fault

_REPORT_VERSION = "1.0.0"
_SCHEMA = "ows/1.1.0/owsExceptionReport.xsd"
# The cwt client runs str.format on the text it is given.
_BRACES = str.maketrans("{}", "()")


def exception_report(fault: Fault, language: str = "en-US") -> bytes:
    """Return the error as a document of its own."""
    document = root("ows:ExceptionReport", _SCHEMA, language, {"version": _REPORT_VERSION})
    _add_exception(document, fault)
    return serialize(document)


def add_report(parent: etree._Element, fault: Fault, language: str) -> None:
    """Append the error as a nested report."""
    attributes = {"version": _REPORT_VERSION, "xml:lang": language}
    _add_exception(add(parent, "ows:ExceptionReport", attributes=attributes), fault)


def _add_exception(report: etree._Element, fault: Fault) -> None:
    attributes = {"exceptionCode": fault.code, "locator": fault.locator}
    exception = add(report, "ows:Exception", attributes=attributes)
    add(exception, "ows:ExceptionText", fault.text.translate(_BRACES))
