"""The texts and bytes of OPeNDAP 2 (DAP2): declarations (DDS), attributes (DAS), data (XDR).

Parsing only; `opendap` does the requests. Attributes keep their declared types, because a 32-bit
fill value read as a 64-bit one would no longer match the data.
"""

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

WIRE = {
    "byte": ("u1", "u1"),
    "int16": ("i2", ">i4"),
    "uint16": ("u2", ">u4"),
    "int32": ("i4", ">i4"),
    "uint32": ("u4", ">u4"),
    "float32": ("f4", ">f4"),
    "float64": ("f8", ">f8"),
}
"""Type name -> (dtype of the values, dtype on the wire)."""
TEXTS = ("string", "url")
QUOTED = r'\s*(?:"((?:[^"\\]|\\.)*)"|'
DDS_TOKEN = re.compile(QUOTED + r"([{}\[\];:=,])|([^\s{}\[\];:=,]+))", re.DOTALL)
DAS_TOKEN = re.compile(QUOTED + r"([{};,])|([^\s{};,]+))", re.DOTALL)
PRINTED_DIGITS = 6
"""Digits some servers round float attributes to."""


class AnswerError(ValueError):
    """The server's answer is not what DAP2 prescribes, or not all of it."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """One declared array or scalar; `path` is how a request names it (`tas.tas` in a grid)."""

    path: str
    type: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]

    @property
    def name(self) -> str:
        """The last part of the path: the variable's own name."""
        return self.path.rpartition(".")[2]

    @property
    def dtype(self) -> np.dtype:
        """The dtype of the decoded values."""
        return np.dtype(object if self.type in TEXTS else WIRE[self.type][0])

    @property
    def wire_itemsize(self) -> int:
        """Bytes of one value in an answer; a guess for texts, which carry their lengths."""
        return 64 if self.type in TEXTS else np.dtype(WIRE[self.type][1]).itemsize


class _Tokens:
    def __init__(self, text: str, pattern: re.Pattern[str]) -> None:
        self.text, self.pattern, self.position = text, pattern, 0

    def next(self) -> tuple[str, bool]:
        """Return the next token and whether it was quoted."""
        match = self.pattern.match(self.text, self.position)
        if not match:
            raise AnswerError(f"unexpected text or end at character {self.position}")
        self.position = match.end()
        if match[1] is not None:
            return re.sub(r"\\(.)", r"\1", match[1], flags=re.DOTALL), True
        return match[2] or match[3], False

    def word(self) -> str:
        return self.next()[0]

    def peek(self) -> str:
        before = self.position
        word = self.word()
        self.position = before
        return word

    def expect(self, wanted: str) -> None:
        found = self.word()
        if found.lower() != wanted:
            raise AnswerError(f"{wanted!r} expected, found {found!r}")


def parse_dds(text: str) -> list[Leaf]:
    """Return the declared leaves in the order their data are sent.

    Sequences and arrays of structures are left out; their data must not be asked for.

    Raises AnswerError for anything but a DDS.
    """
    tokens = _Tokens(text, DDS_TOKEN)
    tokens.expect("dataset")
    return list(_members(tokens, ""))


def _members(tokens: _Tokens, prefix: str) -> Iterator[Leaf]:
    tokens.expect("{")
    while tokens.peek() != "}":
        yield from _declaration(tokens, prefix)
    tokens.expect("}")


def _declaration(tokens: _Tokens, prefix: str) -> Iterator[Leaf]:
    kind = tokens.word().lower()
    if kind in ("structure", "grid", "sequence"):
        members = list(_grid(tokens) if kind == "grid" else _members(tokens, ""))
        name = tokens.word()
        repeated, _ = _shape(tokens)
        if kind != "sequence" and not repeated:
            for leaf in members:
                yield Leaf(f"{prefix}{name}.{leaf.path}", leaf.type, leaf.dimensions, leaf.shape)
    elif kind in WIRE or kind in TEXTS:
        name = tokens.word()
        yield Leaf(prefix + name, kind, *_shape(tokens))
    else:
        raise AnswerError(f"unknown type {kind!r}")


def _grid(tokens: _Tokens) -> Iterator[Leaf]:
    tokens.expect("{")
    for part in ("array", "maps"):
        tokens.expect(part)
        tokens.expect(":")
        while tokens.peek().lower() not in ("}", "maps"):
            yield from _declaration(tokens, "")
    tokens.expect("}")


def _shape(tokens: _Tokens) -> tuple[tuple[str, ...], tuple[int, ...]]:
    names, sizes = [], []
    while (mark := tokens.word()) == "[":
        name, size = "", tokens.word()
        if tokens.peek() == "=":
            tokens.expect("=")
            name, size = size, tokens.word()
        tokens.expect("]")
        if not size.isdigit():
            raise AnswerError(f"dimension size {size!r} is no number")
        names.append(name)
        sizes.append(int(size))
    if mark != ";":
        raise AnswerError(f"';' expected, found {mark!r}")
    return tuple(names), tuple(sizes)


def parse_das(text: str) -> dict[str, Any]:
    """Return the attributes as nested dicts: numbers as numpy scalars or arrays, texts as str."""
    tokens = _Tokens(text, DAS_TOKEN)
    tokens.expect("attributes")
    return _container(tokens)


def _container(tokens: _Tokens) -> dict[str, Any]:
    tokens.expect("{")
    found: dict[str, Any] = {}
    while (word := tokens.word()) != "}":
        if tokens.peek() == "{":
            found[word] = _container(tokens)
        else:
            name = tokens.word()
            found[name] = _typed(word.lower(), list(_values(tokens)))
    return found


def _values(tokens: _Tokens) -> Iterator[str]:
    """Yield the comma separated values; unquoted words belong together up to a comma."""
    words: list[str] = []
    while True:
        word, quoted = tokens.next()
        if quoted or word not in (",", ";"):
            words.append(word)
            continue
        if words:
            yield " ".join(words)
        words = []
        if word == ";":
            return


def _typed(kind: str, values: list[str]) -> Any:
    if kind not in WIRE:
        return values[0] if len(values) == 1 else "\n".join(values)
    dtype = np.dtype(WIRE[kind][0])
    try:
        numbers = [_number(value, dtype) for value in values]
    except ValueError as error:
        raise AnswerError(f"attribute value {', '.join(values)!r} is no {kind}") from error
    array = np.array(numbers).astype(dtype)
    return array[0] if array.size == 1 else array


def _number(text: str, dtype: np.dtype) -> float | int:
    return float(text.rstrip(".")) if dtype.kind == "f" else int(text)


def rounded(value: Any) -> bool:
    """Tell whether a float attribute may have lost digits when the server printed it."""
    if np.ndim(value) or not np.isfinite(value) or abs(value) < 10**PRINTED_DIGITS:
        return False
    digits = str(value).partition("e")[0].replace(".", "").strip("-0")
    return len(digits) == PRINTED_DIGITS


def decode(body: bytes) -> dict[str, np.ndarray]:
    """Return the values of an answer by path, shaped as its own DDS says.

    Raises AnswerError if a length prefix differs from the declaration, or if bytes are missing or
    left over.
    """
    text, mark, data = body.partition(b"\nData:")
    if not mark:
        raise AnswerError("an answer without data")
    data = data[2:] if data.startswith(b"\r\n") else data[1:]
    position, found = 0, {}
    for leaf in parse_dds(text.decode("utf-8", "replace")):
        found[leaf.path], position = _leaf(leaf, data, position)
    if position < len(data):
        raise AnswerError(f"{len(data) - position} bytes too many")
    if position > len(data):
        raise AnswerError("the data end early, the padding is missing")
    return found


def _leaf(leaf: Leaf, data: bytes, position: int) -> tuple[np.ndarray, int]:
    count = math.prod(leaf.shape)
    text = leaf.type in TEXTS
    if leaf.shape:
        # Texts carry the count once, numbers twice.
        for _ in range(1 if text else 2):
            position = _check_count(data, position, count)
    if text:
        values, position = _texts(data, position, count)
    elif leaf.type == "byte" and not leaf.shape:
        # Servers differ in which end of the four bytes they put it.
        word = _slice(data, position, 4)
        values, position = np.array([word[0] or word[3]], "u1"), position + 4
    else:
        values, position = _numbers(leaf, data, position, count)
    return values.reshape(leaf.shape), position


def _check_count(data: bytes, position: int, count: int) -> int:
    sent = int.from_bytes(_slice(data, position, 4), "big")
    if sent != count:
        raise AnswerError(f"{sent} values announced where {count} are declared")
    return position + 4


def _numbers(leaf: Leaf, data: bytes, position: int, count: int) -> tuple[np.ndarray, int]:
    dtype, wire = WIRE[leaf.type]
    length = count * np.dtype(wire).itemsize
    values = np.frombuffer(_slice(data, position, length), wire).astype(dtype)
    return values, position + length + -length % 4


def _texts(data: bytes, position: int, count: int) -> tuple[np.ndarray, int]:
    values = np.empty(count, object)
    for index in range(count):
        length = int.from_bytes(_slice(data, position, 4), "big")
        values[index] = bytes(_slice(data, position + 4, length)).decode("utf-8", "replace")
        position += 4 + length + -length % 4
    return values, position


def _slice(data: bytes, position: int, length: int) -> memoryview:
    part = memoryview(data)[position : position + length]
    if len(part) != length:
        raise AnswerError(f"the data end early, {length - len(part)} bytes or more are missing")
    return part
