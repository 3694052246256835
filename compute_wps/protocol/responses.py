"""The documents the service answers with: pure functions from values to bytes of XML.

Each validates against OGC's schemas. This module gathers what the parts offer.
"""

from compute_wps.protocol.capabilities import ServiceMetadata, capabilities
from compute_wps.protocol.descriptions import descriptions
from compute_wps.protocol.execution import (
    ComplexValue,
    Execution,
    LiteralValue,
    OutputValue,
    ReferenceValue,
    State,
    execute_response,
)
from compute_wps.protocol.reports import exception_report

__all__ = [
    "ComplexValue",
    "Execution",
    "LiteralValue",
    "OutputValue",
    "ReferenceValue",
    "ServiceMetadata",
    "State",
    "capabilities",
    "descriptions",
    "exception_report",
    "execute_response",
]
