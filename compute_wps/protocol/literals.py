"""Literal inputs: a text taken as the declared type, unit and choice of values."""

import pywps
from pywps.exceptions import NoApplicableCode
from pywps.inout.literaltypes import AllowedValue

from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.requests import Input
from compute_wps.protocol.values import boolean

_INTEGERS = ("integer", "positiveInteger", "nonNegativeInteger")


def literal_input(declared: pywps.LiteralInput, given: Input) -> pywps.LiteralInput:
    """Return a copy of the declaration that holds the value given.

    Raises ProtocolError naming the value and what the declaration accepts.
    """
    value = declared.clone()
    text = (given.data or "").strip()
    try:
        value.data = _typed(text, declared.data_type)
        value.uom = _unit(declared, given.uom)
    except (ValueError, TypeError, OverflowError, ProtocolError, NoApplicableCode) as error:
        raise ProtocolError(
            "InvalidParameterValue",
            f"input {given.identifier} is {text!r}{f' {given.uom}' if given.uom else ''}; "
            f"it takes {_accepted(declared)}",
            given.identifier,
        ) from error
    return value


def _typed(text: str, data_type: str) -> str | bool:
    """Return what PyWPS can convert, refusing what it would bend into another value."""
    if data_type == "boolean":
        return boolean(text or "empty", "value")
    if data_type in _INTEGERS and not float(text).is_integer():
        raise ValueError(text)
    if data_type == "positiveInteger" and float(text) < 1:
        raise ValueError(text)
    return text


def _unit(declared: pywps.LiteralInput, given: str | None) -> pywps.UOM | None:
    if not given:
        return declared.uom
    for uom in declared.uoms:
        if given in (uom.uom, uom.reference):
            return uom
    raise ValueError(given)


def _accepted(declared: pywps.LiteralInput) -> str:
    parts = [declared.data_type]
    choices = [_choice(v) for v in declared.allowed_values if isinstance(v, AllowedValue)]
    if choices and not declared.any_value:
        parts.append("one of " + ", ".join(choices))
    if declared.uoms:
        parts.append("in " + " or ".join(uom.uom for uom in declared.uoms))
    return ", ".join(parts)


def _choice(value: AllowedValue) -> str:
    if value.minval is None and value.maxval is None:
        return str(value.value)
    return f"{value.minval} to {value.maxval}"
