"""The text documents of DAP2: DDS (what there is), DAS (attributes) and errors."""

import math
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

from compute_wps.data.dap2.constraint import Part, Projection
from compute_wps.data.dap2.errors import DapError
from compute_wps.data.dap2.model import Attribute, Dataset, Variable

INDENT = "    "


def dds(dataset: Dataset, projections: Iterable[Projection]) -> str:
    """Return the Dataset Descriptor Structure of what was asked for."""
    lines = [line for projection in projections for line in _declaration(projection)]
    return "\n".join(["Dataset {", *_indented(lines), f"}} {escaped(dataset.name)};", ""])


def das(dataset: Dataset) -> str:
    """Return the Dataset Attribute Structure: every attribute at full precision."""
    containers = [
        (escaped(variable.name), _attributes(variable)) for variable in dataset.variables.values()
    ]
    containers.append(("NC_GLOBAL", [_attribute(item) for item in dataset.attributes]))
    if dataset.unlimited:
        extra = Attribute("Unlimited_Dimension", "String", (escaped(dataset.unlimited),))
        containers.append(("DODS_EXTRA", [_attribute(extra)]))
    lines = [line for name, body in containers for line in _container(name, body)]
    return "\n".join(["Attributes {", *_indented(lines), "}", ""])


def error(problem: DapError) -> str:
    """Return the error document."""
    return f"Error {{\n    code = {problem.code};\n    message = {_quoted(problem.message)};\n}};\n"


def escaped(name: str) -> str:
    """Return a name with everything outside letters, digits, `_` and `-` percent-encoded."""
    return quote(name, safe="").replace(".", "%2E").replace("~", "%7E")


def _declaration(projection: Projection) -> list[str]:
    parts = [_array(part) for part in projection.parts]
    if projection.constructor is None:
        return parts
    if projection.constructor == "Grid":
        parts = ["ARRAY:", *_indented(parts[:1]), "MAPS:", *_indented(parts[1:])]
    return [
        f"{projection.constructor} {{",
        *_indented(parts),
        f"}} {escaped(projection.name)};",
    ]


def _array(part: Part) -> str:
    sizes = "".join(
        f"[{escaped(dimension.name)} = {size}]"
        for dimension, size in zip(part.variable.dimensions, part.shape, strict=True)
    )
    return f"{part.variable.type} {escaped(part.variable.name)}{sizes};"


def _attributes(variable: Variable) -> list[str]:
    attributes = list(variable.attributes)
    if variable.type == "String":
        # netCDF clients cut texts at 64 bytes unless they are told how long these are.
        attributes.append(Attribute("DODS.strlen", "Int32", (max(variable.width, 1),)))
    if variable.characters and variable.characters.name:
        attributes.append(Attribute("DODS.dimName", "String", (variable.characters.name,)))
    return [_attribute(item) for item in attributes]


def _attribute(item: Attribute) -> str:
    write = _quoted if item.type == "String" else _number
    values = ", ".join(write(value) for value in item.values)
    return f"{item.type} {quote(item.name, safe='+')} {values};"


def _number(value: Any) -> str:
    """Return a text that reads back as the same number, also by clients that know only doubles."""
    if isinstance(value, int) or value.dtype.kind in "iu":
        return str(int(value))
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return "NaN" if math.isnan(value) else repr(float(value))


def _quoted(value: str) -> str:
    text = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _container(name: str, body: list[str]) -> list[str]:
    return [f"{name} {{", *_indented(body), "}"]


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (INDENT + line for line in lines)
