"""YAML documents read with the place of every field, so that each error can say where it is."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from compute.provisioner.kinds import KINDS, Kind
from compute.provisioner.schemas import Metadata
from compute.provisioner.wording import place, said

ENDINGS = (".yaml", ".yml", ".json")

Where = tuple[object, ...]


class DocumentsError(Exception):
    """Documents that cannot be used; `problems` has a line for each fault."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Place:
    """Where a document is: its file, its number there, and the line of each of its fields."""

    file: str
    number: int
    lines: Mapping[Where, int]

    def of(self, path: Where) -> str:
        """Return where a field stands; one that is not there stands where it should be."""
        shown = f", {place(path)}" if path else ""
        while path not in self.lines and path:
            path = path[:-1]
        return f"{self.file}, document {self.number}, line {self.lines.get(path, 1)}{shown}"


@dataclass(frozen=True, slots=True)
class Document:
    """A record as a document describes it."""

    kind: Kind
    body: Metadata
    place: Place

    @property
    def name(self) -> str:
        """Return the name of the record."""
        return self.body.name

    def where(self, field_name: str) -> str:
        """Return where a field of the record stands in the document."""
        first, *rest = field_name.split(".")
        part = "metadata" if first in Metadata.model_fields else "spec"
        return self.place.of((part, first, *rest) if first else ())


def files(paths: Iterable[Path]) -> list[Path]:
    """Return the files meant: folders stand for the YAML and JSON files below them, sorted."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(p for p in path.rglob("*") if p.suffix in ENDINGS and p.is_file())
            if not below:
                raise DocumentsError([f"{path}: no {', '.join(ENDINGS)} file in this folder"])
            found += below
        else:
            found.append(path)
    return found


def read(texts: Iterable[tuple[str, str]]) -> list[Document]:
    """Return the documents of texts, each given with the name of its file.

    Raises DocumentsError with everything that is wrong in any of them.
    """
    documents: list[Document] = []
    problems: list[str] = []
    for name, text in texts:
        for found in _documents(name, text):
            if isinstance(found, Document):
                documents.append(found)
            else:
                problems.append(found)
    problems += _repeated(documents)
    if problems:
        raise DocumentsError(problems)
    return documents


def _documents(file: str, text: str) -> Iterator[Document | str]:
    """Give each document of a text, or what is wrong with it."""
    number = 0
    try:
        with contextlib.closing(_Loader(text)) as loader:
            while loader.check_node():
                number += 1
                yield from _document(loader, file, number)
    except yaml.YAMLError as error:
        yield f"{file}, document {max(number, 1)}{_said(error)}"


def _document(loader: yaml.SafeLoader, file: str, number: int) -> Iterator[Document | str]:
    node: yaml.Node = loader.get_node()  # type: ignore[assignment]
    lines = _Lines(file, number)
    lines.walk(node, ())
    yield from lines.problems
    data = None if lines.problems else loader.construct_document(node)
    if data is not None:
        yield from _checked(data, Place(file, number, lines.lines))


class _Loader(yaml.SafeLoader):
    def close(self) -> None:
        self.dispose()


def _checked(data: Any, where: Place) -> Iterator[Document | str]:
    given = data.get("kind") if isinstance(data, dict) else None
    kind = KINDS.get(given) if isinstance(given, str) else None
    if kind is None:
        choices = ", ".join(KINDS)
        yield f"{where.of(('kind',))}: there is no kind {given!r}; choose from {choices}"
        return
    try:
        checked: Any = kind.document_type.model_validate(data)
    except ValidationError as error:
        for problem in error.errors():
            yield f"{where.of(_path(problem['loc']))}: {said(problem)}"
        return
    fields = {**dict(checked.metadata), **dict(checked.spec)}
    yield Document(kind, kind.body.model_validate(fields), where)


def _path(location: Iterable[object]) -> Where:
    return tuple(part for part in location if part != "[key]")


def _repeated(documents: Iterable[Document]) -> Iterator[str]:
    seen: dict[tuple[str, str], Document] = {}
    for document in documents:
        first = seen.setdefault((document.kind.name, document.name), document)
        if first is not document:
            yield (
                f"{document.place.of(('metadata', 'name'))}: {document.kind.noun} "
                f"{document.name} is described already in {first.place.of(())}"
            )


@dataclass(slots=True)
class _Lines:
    """Collects the line of each field of a document, and keys that are given twice."""

    file: str
    number: int
    lines: dict[Where, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def walk(self, node: yaml.Node, path: Where, above: tuple[int, ...] = ()) -> None:
        self.lines.setdefault(path, node.start_mark.line + 1)
        if id(node) in above:
            self.problems.append(f"{self._here(node)}: an alias leads back to itself")
            return
        above = (*above, id(node))
        if isinstance(node, yaml.MappingNode):
            self._walk_mapping(node, path, above)
        elif isinstance(node, yaml.SequenceNode):
            for index, value in enumerate(node.value):
                self.walk(value, (*path, index), above)

    def _walk_mapping(self, node: yaml.MappingNode, path: Where, above: tuple[int, ...]) -> None:
        seen = set()
        for key, value in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str):
                if name in seen:
                    self.problems.append(f"{self._here(key)}: {name} is given twice")
                seen.add(name)
                self.lines[(*path, name)] = key.start_mark.line + 1
                self.walk(value, (*path, name), above)

    def _here(self, node: yaml.Node) -> str:
        return f"{self.file}, document {self.number}, line {node.start_mark.line + 1}"


def _said(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    line = f", line {mark.line + 1}" if mark else ""
    return f"{line}: this is not YAML: {getattr(error, 'problem', None) or error}"
