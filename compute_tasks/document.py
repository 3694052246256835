"""The three JSON texts of a request (`variable`, `domain`, `operation`) and the values they mean.

Every refusal says which item of which text is at fault. How the parts fit together is the business
of `plan`.
"""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from compute_tasks.jsontext import Item, items, shown
from compute_tasks.model import (
    CRS,
    Dimension,
    Domain,
    Gridder,
    Mask,
    Operation,
    Variable,
    Workflow,
)

MAX_VARIABLES = 2000
MAX_DOMAINS = 1000
MAX_OPERATIONS = 500
LARGEST_INDEX = 2**53

Named = TypeVar("Named", Variable, Domain, Operation)


def parse(identifier: str, *, variable: str, domain: str, operation: str) -> Workflow:
    """Return the workflow the three JSON texts describe.

    Raises MissingInput for an empty text and InvalidInput for everything else that is wrong, with
    `variable`, `domain` or `operation` as locator.
    """
    workflow = Workflow(
        identifier=identifier,
        variables=_named(items(variable, "variable", MAX_VARIABLES), _variable),
        domains=_named(items(domain, "domain", MAX_DOMAINS), _domain),
        operations=_named(
            members := items(operation, "operation", MAX_OPERATIONS), _operation, key="result"
        ),
    )
    for member, name in zip(members, workflow.operations, strict=True):
        if name in workflow.variables:
            member.refuse(f"the name {shown(name)} is also a variable's; names must differ")
    return workflow


def dump(workflow: Workflow) -> dict[str, str]:
    """Return the canonical JSON texts under `variable`, `domain` and `operation`."""
    return {
        "variable": _json([_variable_values(v) for v in workflow.variables.values()]),
        "domain": _json([_domain_values(d) for d in workflow.domains.values()]),
        "operation": _json([_operation_values(o) for o in workflow.operations.values()]),
    }


def _named(
    members: list[Item], read: Callable[[Item], Named], key: str = "id"
) -> Mapping[str, Named]:
    result: dict[str, Named] = {}
    for member in members:
        value = read(member)
        if value.name in result:
            member.refuse(f"{key!r} {shown(value.name)} is used twice")
        result[value.name] = value
    return result


def _variable(item: Item) -> Variable:
    item.only("uri", "id", "domain", "mime_type")
    item.optional("mime_type")
    variable, name = _identity(item)
    return Variable(name, variable, item.text("uri"), item.optional("domain"))


def _identity(item: Item) -> tuple[str, str]:
    """Return variable and name of an `id` of the form `tas|v0`."""
    parts = item.text("id").split("|")
    if len(parts) != 2 or not all(parts):
        item.refuse(f"'id' {shown(item.values['id'])} must be '<variable>|<name>'")
    for part in parts:
        item.check_name("id", part)
    return parts[0], parts[1]


def _domain(item: Item) -> Domain:
    axes = [key for key in item.values if key not in ("id", "mask")]
    mask = None if item.values.get("mask") is None else _mask(item.object("mask"))
    return Domain(item.name("id"), tuple(_dimension(a, item.object(a)) for a in axes), mask)


def _mask(item: Item) -> Mask:
    item.only("uri", "id", "operation")
    return Mask(item.text("uri"), _identity(item)[0], item.text("operation"))


def _dimension(name: str, item: Item) -> Dimension:
    item.only("start", "end", "step", "crs")
    if not name:
        item.refuse("a dimension needs a name")
    crs = _crs(item)
    step = _index(item, "step")
    if step is None:
        step = 1
    if step < 1:
        item.refuse(f"'step' must be at least 1, not {step}")
    return Dimension(name, END[crs](item, "start"), END[crs](item, "end"), step, crs)


def _crs(item: Item) -> CRS:
    text = item.optional("crs") or CRS.VALUES
    if text.lower() not in list(CRS):
        item.refuse(f"'crs' {shown(text)} is unknown; known are {', '.join(CRS)}")
    return CRS(text.lower())


def _number(item: Item, key: str) -> float | None:
    value = item.values.get(key)
    if value is None:
        return None
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        item.refuse(
            f"{key!r} must be a number, not {shown(value)}; "
            'dates need "crs": "timestamps", positions "crs": "indices"'
        )
    return number


def _index(item: Item, key: str) -> int | None:
    number = _number(item, key)
    if number is None:
        return None
    if not number.is_integer() or abs(number) > LARGEST_INDEX:
        item.refuse(f"{key!r} must be a whole number, not {shown(item.values[key])}")
    return int(number)


def _timestamp(item: Item, key: str) -> str | None:
    value = item.values.get(key)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None and not (isinstance(value, str) and value.strip()):
        item.refuse(f'{key!r} must be an ISO 8601 date such as "1990-07", not {shown(value)}')
    return value


END: Mapping[CRS, Callable[[Item, str], float | int | str | None]] = {
    CRS.VALUES: _number,
    CRS.INDICES: _index,
    CRS.TIMESTAMPS: _timestamp,
}


def _operation(item: Item) -> Operation:
    known = ("name", "result", "input", "domain", "gridder")
    return Operation(
        name=item.name("result"),
        process=item.text("name"),
        inputs=_inputs(item),
        domain=item.optional("domain"),
        parameters={key: _parameter(item, key) for key in item.values if key not in known},
        gridder=None if item.values.get("gridder") is None else _gridder(item.object("gridder")),
    )


def _inputs(item: Item) -> tuple[str, ...]:
    value = item.values.get("input", [])
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        item.refuse(f"'input' must be a list of names, not {shown(value)}")
    if len(value) > MAX_VARIABLES:
        item.refuse(f"'input' has {len(value)} names; at most {MAX_VARIABLES}")
    return tuple(value)


def _parameter(item: Item, key: str) -> str:
    value = item.values[key]
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, str | int | float) for part in parts):
        item.refuse(
            f"parameter {shown(key)} must be a text, a number, true, false or a list of these, "
            f"not {shown(value)}"
        )
    return "|".join(part if isinstance(part, str) else json.dumps(part) for part in parts)


def _gridder(item: Item) -> Gridder:
    if "gridder" in item.values:
        item.refuse(
            "a gridder is an object with tool, method and grid; in cwt set it with "
            "`process.gridder = gridder` instead of passing it as a keyword"
        )
    item.only("tool", "method", "grid")
    return Gridder(item.text("tool"), item.text("method"), item.text("grid"))


def _json(values: list[dict[str, Any]]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _given(**values: Any) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _variable_values(variable: Variable) -> dict[str, Any]:
    identity = f"{variable.variable}|{variable.name}"
    return _given(uri=variable.uri, id=identity, domain=variable.domain)


def _domain_values(domain: Domain) -> dict[str, Any]:
    values: dict[str, Any] = {"id": domain.name}
    for d in domain.dimensions:
        values[d.name] = _given(start=d.start, end=d.end, step=d.step, crs=d.crs.value)
    if mask := domain.mask:
        identity = f"{mask.variable}|mask"
        values["mask"] = {"uri": mask.uri, "id": identity, "operation": mask.operation}
    return values


def _operation_values(operation: Operation) -> dict[str, Any]:
    gridder = operation.gridder
    return {
        "name": operation.process,
        "result": operation.name,
        "input": list(operation.inputs),
        **_given(
            domain=operation.domain,
            gridder=gridder
            and {"tool": gridder.tool, "method": gridder.method, "grid": gridder.grid},
        ),
        **operation.parameters,
    }
