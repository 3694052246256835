"""Write the reference pages that are made from the code: `python docs/generate.py`.

Settings, processes, errors and metrics are described where they are declared; these pages only lay
that out. `docs/tests` checks that the pages on disk are those this file would write.
"""

import functools
import inspect
import json
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

from prometheus_client import REGISTRY, Metric
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import compute.provisioner.metrics  # importing it registers the metrics
import compute_tasks.processes  # noqa: F401 - importing it fills the registry
import compute_wps.metrics  # noqa: F401 - importing it registers the metrics
from compute.env import PREFIX, Config
from compute.provisioner.kinds import KINDS, Kind
from compute.provisioner.schemas import Metadata
from compute_tasks.errors import TaskError
from compute_tasks.registry import Parameter, Process, catalog
from compute_wps.protocol import exceptions

REFERENCE = Path(__file__).parent / "reference"
NOTE = "<!-- Made by docs/generate.py; change the code it describes instead. -->"
CODES_MEAN = {
    "MissingParameterValue": "A parameter or input that the request must have is not there.",
    "InvalidParameterValue": "A value cannot be used; the text says why and what can.",
    "OperationNotSupported": "The request asks for an operation this service does not have.",
    "VersionNegotiationFailed": "None of the versions asked for is offered.",
    "InvalidUpdateSequence": "The update sequence asked for is newer than the service's.",
    "StorageNotSupported": "The result cannot be stored as asked.",
    "NotEnoughStorage": "There is no room for the result.",
    "FileSizeExceeded": "An input or result is above a limit; the text names both sizes.",
    "ServerBusy": "The service or a remote server cannot answer now; try again later.",
    "NoApplicableCode": "Anything else; the text says what.",
}
OF_THE_RUNTIME = ("python_", "process_")


def main() -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (REFERENCE / name).parent.mkdir(exist_ok=True)
        (REFERENCE / name).write_text(page(), encoding="utf-8")


def settings() -> str:
    """Return the page of settings."""
    rows = [
        (f"`{PREFIX}{name.upper()}`", _type(field.annotation), _default(field), field.description)
        for name, field in Config.model_fields.items()
    ]
    return _page(
        "Settings",
        "Every setting is an environment variable. A name that is not listed here is refused at "
        "start-up, and so is a value that cannot be used. Lists are comma separated.",
        _table(("Variable", "Type", "Default", "Meaning"), rows),
    )


def processes() -> str:
    """Return the page of processes."""
    return _page(
        "Processes",
        "Each parameter is a text in the operation that uses the process; several values are "
        "joined by `|`. An operation also takes `domain`, the name of a domain of the request, and "
        "`gridder`, which [regrids](regridding.md) its inputs.",
        *(_process(process) for process in catalog),
    )


def errors() -> str:
    """Return the page of errors."""
    codes = [
        (f"`{code}`", status, CODES_MEAN.get(code, ""))
        for code, status in exceptions.STATUS.items()
    ]
    faults = [(kind, exceptions.describe(kind(""))) for kind in _kinds(TaskError)]
    kinds = [
        (_first_line(kind), f"`{kind.__name__}`", f"`{fault.code}`", fault.status)
        for kind, fault in faults
    ]
    return _page(
        "Errors",
        "An error is an `ows:ExceptionReport` with a code, mostly a locator (the parameter at "
        "fault) and a text that names the value, the place and the choices. A job that fails "
        "carries the same report in its status document, which is itself answered with 200.",
        "## Codes",
        "The HTTP status is that of a request refused at once.",
        _table(("Code", "HTTP status", "Meaning"), codes),
        "## Errors of a computation",
        "`compute run` raises the same classes; its exit codes are in `compute run --help`. "
        "Anything not listed is a fault of the service: `NoApplicableCode` with 500 and a "
        "reference under which the operator finds it in the log.",
        _table(("What happened", "Class", "Code", "HTTP status"), kinds),
    )


def metrics() -> str:
    """Return the page of metrics."""
    counted = [
        (series(family), family.type, family.documentation)
        for family in REGISTRY.collect()
        if not family.name.startswith(OF_THE_RUNTIME)
    ]
    read = [(name, "gauge", text) for name, (text, _) in compute.provisioner.metrics.GAUGES.items()]
    rows = [(f"`{name}`", kind, text) for name, kind, text in sorted(counted + read)]
    return _page(
        "Metrics",
        "Prometheus reads them from `/metrics` of the web process and from the metrics ports of "
        "each worker and of the provisioner. A histogram is a family with the suffixes `_bucket`, "
        "`_sum` and `_count`.",
        _table(("Metric", "Type", "Meaning"), rows),
    )


def documents() -> str:
    """Return the page of the documents that `compute apply` reads."""
    return _page(
        "Documents of pools and nodes",
        "`compute apply` reads YAML or JSON documents; `---` parts several in a file. Each has "
        "`kind`, `metadata` and `spec`. What a document leaves out gets its default, also where "
        "the record had another value. `status`, which `-o yaml` shows, is ignored. The same "
        "fields, side by side, are the bodies of [REST](nodes-rest.md) requests and the options "
        "of `compute pools create` and the like.",
        "Editors check documents against the JSON Schemas: "
        + ", ".join(f"[{name}](schemas/{name}.json)" for name in KINDS)
        + ". The service offers them at `/api/schemas/<kind>`.",
        "## metadata",
        _table(FIELD_HEAD, _fields(Metadata.model_json_schema())),
        *(part for kind in KINDS.values() for part in _kind_of_document(kind)),
    )


def schema(kind: Kind) -> str:
    """Return the JSON Schema of a kind of document."""
    return json.dumps(kind.schema(), indent=2) + "\n"


def series(family: Metric) -> str:
    """Return the name under which Prometheus stores the metric."""
    return f"{family.name}_total" if family.type == "counter" else str(family.name)


PAGES: dict[str, Callable[[], str]] = {
    "settings.md": settings,
    "processes.md": processes,
    "errors.md": errors,
    "metrics.md": metrics,
    "documents.md": documents,
    **{f"schemas/{name}.json": functools.partial(schema, kind) for name, kind in KINDS.items()},
}
FIELD_HEAD = ("Field", "Value", "Default", "Meaning")


def _kind_of_document(kind: Kind) -> Iterator[str]:
    yield f"## {kind.name}"
    yield inspect.getdoc(kind.spec) or ""
    yield _table(FIELD_HEAD, _fields(kind.spec.model_json_schema()))


def _fields(schema: dict[str, Any]) -> Iterator[tuple[object, ...]]:
    needed = schema.get("required", [])
    for name, field in schema["properties"].items():
        default = "required" if name in needed else _shown_as_yaml(field["default"])
        yield f"`{name}`", _value(field), default, field["description"]


def _value(field: dict[str, Any]) -> str:
    """Return what may stand in a field, in a reader's words."""
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"] if choice)
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(map(_value, field["anyOf"])))
    if "$ref" in field:
        return "names and values"
    if field["type"] == "array":
        return f"list of {_value(field['items'])}"
    words = {"integer": "whole number", "string": "text", "object": "names and texts"}
    return words.get(field["type"], str(field["type"]))


def _shown_as_yaml(value: Any) -> str:
    return f"`{json.dumps(value)}`" if value not in ("", None) else ""


def _process(process: Process) -> str:
    most = "or more" if process.maximum is None else f"to {process.maximum}"
    count = process.minimum if process.minimum == process.maximum else f"{process.minimum} {most}"
    parts = [
        f"## {process.identifier}",
        f"**{process.title}.** Inputs: {count}.",
        process.abstract,
    ]
    if process.parameters:
        rows = [_parameter(parameter) for parameter in process.parameters]
        parts.append(_table(("Parameter", "Value", "Default", "Meaning"), rows))
    return "\n\n".join(parts)


def _parameter(parameter: Parameter) -> tuple[object, ...]:
    value = ", ".join(f"`{choice}`" for choice in parameter.choices) or parameter.kind
    default = "required" if parameter.required else _shown(parameter.default)
    return f"`{parameter.name}`", value, default, parameter.abstract


def _type(annotation: Any) -> str:
    """Return the type in a reader's words: `text`, `path`, `number`, a list or the choices."""
    arguments = get_args(annotation)
    if get_origin(annotation) is tuple:
        return f"list of {_type(arguments[0])}s"
    if get_origin(annotation) is types.UnionType:
        return _type(arguments[0])
    if arguments:
        return ", ".join(f"`{choice}`" for choice in arguments)
    words = {bool: "`true` or `false`", int: "whole number", float: "number", Path: "path"}
    return words.get(annotation, "text")


def _default(field: FieldInfo) -> str:
    if field.default_factory is not None or field.default is PydanticUndefined:
        return "depends on the machine"
    return _shown(field.default)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    text = str(value).lower() if isinstance(value, bool) else str("" if value is None else value)
    is_secret = set(text) == {"*"}
    return f"`{text}`" if text and not is_secret else ""


def _kinds(kind: type[TaskError]) -> Iterator[type[TaskError]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _kinds(narrower)


def _first_line(kind: type) -> str:
    return (inspect.getdoc(kind) or "").splitlines()[0]


def _page(title: str, *parts: str) -> str:
    return "\n\n".join([NOTE, f"# {title}", *parts]) + "\n"


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
