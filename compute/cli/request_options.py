"""From what is typed after `compute run` to a workflow."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from compute_tasks.document import parse
from compute_tasks.errors import InvalidInput
from compute_tasks.model import CRS, Domain, Variable, Workflow
from compute_tasks.plan import WORKFLOW
from compute_tasks.registry import catalog

AGGREGATE = "CDAT.aggregate"
TIME_NAMES = ("time", "t")
LISTS = ("variable", "domain", "operation")
POSITIONS = re.compile(r"(-?\d*):(-?\d*)(?::(\d+))?")


def from_options(
    identifier: str, inputs: Iterable[str], domains: Iterable[str], parameters: Iterable[str]
) -> Workflow:
    """Return the workflow of one process; raises UsageError or TaskError for what is wrong."""
    process = catalog[identifier]
    variables: list[dict[str, Any]] = []
    operations: list[dict[str, Any]] = []
    sources: list[str] = []
    for files, variable in map(_input, inputs):
        names = [f"v{len(variables) + n}" for n in range(len(files))]
        variables += [
            {"uri": uri, "id": f"{variable}|{n}"} for uri, n in zip(files, names, strict=True)
        ]
        if len(files) > 1 and process.maximum is not None:
            joined = f"joined{len(operations)}"
            operations.append({"name": AGGREGATE, "result": joined, "input": names})
            names = [joined]
        sources += names
    dimensions = dict(_unique("--domain", map(_dimension, domains)))
    operations.append(
        {
            "name": identifier,
            "result": identifier.rpartition(".")[2],
            "input": sources,
            **({"domain": "domain"} if dimensions else {}),
            **dict(_unique("--param", map(_parameter, parameters))),
        }
    )
    return _workflow(
        identifier,
        variable=variables,
        domain=[{"id": "domain", **dimensions}] if dimensions else [],
        operation=operations,
    )


def from_file(text: bytes) -> Workflow:
    """Return the workflow of a JSON request; raises InvalidInput for what is wrong."""
    try:
        document = json.loads(text.decode())
    except UnicodeDecodeError as error:
        raise InvalidInput("the request is not JSON: it is no UTF-8 text") from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the request is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidInput(f"the request must be an object with {', '.join(LISTS)}")
    if unknown := [key for key in document if key not in ("identifier", *LISTS)]:
        known = ", ".join(("identifier", *LISTS))
        raise InvalidInput(f"the request has an unknown key {unknown[0]!r}; known are {known}")
    lists = {key: document.get(key, []) for key in LISTS}
    return _workflow(document.get("identifier"), **lists)


def _workflow(identifier: Any, **lists: Any) -> Workflow:
    """Parse the lists; local paths become absolute, for a result says what it is from."""
    workflow = parse("", **{key: json.dumps(value) for key, value in lists.items()})
    processes = [operation.process for operation in workflow.operations.values()]
    if identifier is None:
        identifier = WORKFLOW if WORKFLOW in processes else next(reversed(processes), WORKFLOW)
    if not isinstance(identifier, str):
        raise InvalidInput(f"identifier must be a text, not {json.dumps(identifier)}")
    return replace(
        workflow,
        identifier=identifier,
        variables={n: _absolute(v) for n, v in workflow.variables.items()},
        domains={n: _with_absolute_mask(d) for n, d in workflow.domains.items()},
    )


def _absolute(variable: Variable) -> Variable:
    return replace(variable, uri=_uri(variable.uri))


def _with_absolute_mask(domain: Domain) -> Domain:
    return replace(domain, mask=domain.mask and replace(domain.mask, uri=_uri(domain.mask.uri)))


def _uri(text: str) -> str:
    remote = re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text)
    return text if remote else str(Path(text).expanduser().absolute())


def _input(text: str) -> tuple[list[str], str]:
    """Split `a.nc,b.nc:tas`; addresses have colons too, so the last one counts."""
    files, _, variable = text.rpartition(":")
    uris = [uri for uri in files.split(",") if uri]
    if not uris or not variable or "/" in variable:
        raise click.UsageError(f"--input {text!r} must be FILE[,FILE...]:VARIABLE")
    return uris, variable


def _pair(option: str, text: str, form: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise click.UsageError(f"{option} {text!r} must be {form}")
    return name.strip(), value.strip()


def _parameter(text: str) -> tuple[str, str]:
    return _pair("--param", text, "NAME=VALUE")


def _dimension(text: str) -> tuple[str, dict[str, Any]]:
    name, value = _pair("--domain", text, "AXIS=START,END, AXIS=POINT or AXIS=FIRST:LAST")
    if positions := POSITIONS.fullmatch(value):
        keys = ("start", "end", "step")
        given = {key: part for key, part in zip(keys, positions.groups(), strict=True) if part}
        return name, {**given, "crs": CRS.INDICES}
    ends = [part.strip() for part in value.split(",")]
    if len(ends) > 2 or not any(ends):
        raise click.UsageError(f"--domain {text!r} must have one or two ends")
    crs = CRS.TIMESTAMPS if name.lower() in TIME_NAMES else CRS.VALUES
    given = {
        key: end for key, end in zip(("start", "end"), (ends[0], ends[-1]), strict=True) if end
    }
    return name, {**given, "crs": crs}


def _unique(option: str, pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen: set[str] = set()
    for name, value in pairs:
        if name in seen:
            raise click.UsageError(f"{option} {name!r} is given twice")
        seen.add(name)
        yield name, value
