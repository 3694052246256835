"""Command line options made from the fields of records, so that both always say the same."""

import types
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import click
from pydantic import ValidationError
from pydantic.fields import FieldInfo

from compute.provisioner.kinds import Kind
from compute.provisioner.schemas import Metadata
from compute.provisioner.wording import said

LONG = ("ssh_key", "user_data")
"""Fields that may be read from a file, given as @FILE."""

NOT_TYPED = ("tolerations",)
"""Fields that only documents can hold."""


def options(kind: Kind) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command an option for each field of the kind."""
    fields = {**Metadata.model_fields, **kind.spec.model_fields}
    wanted = [name for name in fields if name not in ("name", *NOT_TYPED)]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name in reversed(wanted):
            command = _option(name, fields[name])(command)
        return command

    return decorate


def values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that were given, lists and labels put together."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if value in (None, ()):
            continue
        if name in ("labels", "selector", "node_selector"):
            found[name] = dict(_pair(name, text) for text in value)
        elif name in LONG and value.startswith("@"):
            found[name] = _content(name, Path(value[1:]))
        else:
            found[name] = list(value) if isinstance(value, tuple) else value
    return found


def checked(kind: Kind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record as they are sent, or refuse them by the options' names."""
    try:
        body = kind.body.model_validate(fields)
    except ValidationError as error:
        raise click.UsageError("; ".join(_problems(error))) from None
    return body.model_dump(mode="json", include=set(fields))


def _problems(error: ValidationError) -> Iterable[str]:
    for problem in error.errors():
        location = problem["loc"]
        named = f"{_flag(str(location[0]))}: " if location and location[0] != "name" else ""
        yield f"{named}{said(problem)}"


def _option(name: str, field: FieldInfo) -> Callable[[Callable[..., None]], Callable[..., None]]:
    several = get_origin(field.annotation) in (dict, list)
    return click.option(
        _flag(name),
        name,
        multiple=several,
        metavar=_metavar(name, field.annotation),
        help=f"{field.description or ''}{' Repeat it for more.' if several else ''}",
    )


def _flag(name: str) -> str:
    singular = {"labels": "label", "nodes": "node"}.get(name, name)
    return f"--{singular.replace('_', '-')}"


def _metavar(name: str, annotation: Any) -> str:
    """Return what stands for the value in the help: its choices, its unit or its type."""
    kind = get_origin(annotation)
    if kind in (Union, types.UnionType, Annotated):
        return _metavar(name, get_args(annotation)[0])
    if kind is Literal:
        return f"[{'|'.join(get_args(annotation))}]"
    if kind in (dict, list):
        return "KEY=VALUE" if kind is dict else "NAME"
    if name in LONG:
        return "TEXT|@FILE"
    if name in ("memory", "bytes_per_node"):
        return "BYTES"
    if annotation in (int, float):
        return "SECONDS" if name.endswith("_seconds") else "NUMBER"
    return name.rpartition("_")[2].upper()


def _pair(name: str, text: str) -> tuple[str, str]:
    key, equal, value = text.partition("=")
    if not equal:
        raise click.UsageError(f"{_flag(name)}: {text!r} is not KEY=VALUE")
    return key, value


def _content(name: str, path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise click.UsageError(f"{_flag(name)}: {path} cannot be read: {reason}") from None
    return text.strip() if name == "ssh_key" else text
