"""What is wrong with a value, in words for whoever wrote it."""

from collections.abc import Mapping
from typing import Any

OURS = "value_error"
FIXED = {
    "extra_forbidden": "there is no such field",
    "missing": "it must be given",
    "string_unicode": "it holds a character that is not Unicode",
    "dict_type": "it must hold names and values",
    "list_type": "it must be a list",
    "model_type": "it must hold names and values",
    "model_attributes_type": "it must hold names and values",
}
KINDS = {
    "int_parsing": "it must be a whole number",
    "int_from_float": "it must be a whole number",
    "int_type": "it must be a whole number",
    "float_parsing": "it must be a number",
    "float_type": "it must be a number",
    "finite_number": "it must be a number",
    "bool_parsing": "it must be true or false",
    "bool_type": "it must be true or false",
}
LONGEST_SHOWN = 80


def said(error: Mapping[str, Any]) -> str:
    """Return what an error of pydantic means: our own words where a check of ours failed."""
    kind, text = error["type"], str(error["msg"])
    if kind == OURS:
        return text.removeprefix("Value error, ")
    if kind in FIXED:
        return FIXED[kind]
    given = error.get("input")
    if kind == "string_type":
        text, quoted = "it must be text", isinstance(given, bool | int | float)
        return f"{text}, not {given!r}: put it in quotes" if quoted else text
    text = KINDS.get(kind) or text.replace("Input should", "it must", 1).replace("String", "it", 1)
    simple = isinstance(given, str | int | float | None) and len(str(given)) <= LONGEST_SHOWN
    return f"{text}, not {given!r}" if simple else text


def place(parts: tuple[object, ...]) -> str:
    """Return where a value stands, with dots between names."""
    return ".".join(str(part) for part in parts if part != "[key]")
