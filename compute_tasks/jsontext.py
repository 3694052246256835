"""Reading JSON that a stranger wrote: strict, bounded, and able to say where something is wrong."""

import json
import math
from dataclasses import dataclass
from typing import Any, NoReturn

from compute_tasks.errors import InvalidInput, MissingInput

MAX_CHARACTERS = 3_000_000
MAX_NAME = 256
MAX_SHOWN = 80


def shown(value: Any) -> str:
    """Return the value as a message shows it: JSON, cut when long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


@dataclass(frozen=True, slots=True)
class Item:
    """One JSON object of a request and where it stands there (`operation[2]`, `domain[0].lat`)."""

    locator: str
    place: str
    values: dict[str, Any]

    def refuse(self, text: str) -> NoReturn:
        """Raise InvalidInput with the text behind the item's place."""
        raise InvalidInput(f"{self.place}: {text}", locator=self.locator)

    def only(self, *keys: str) -> None:
        """Refuse the item when it has other keys than these."""
        if unknown := [key for key in self.values if key not in keys]:
            self.refuse(f"unknown key {shown(unknown[0])}; known are {', '.join(keys)}")

    def text(self, key: str) -> str:
        """Return a text that must be there and must not be empty."""
        value = self.optional(key)
        if value is None and key in self.values:
            self.refuse(f"{key!r} is empty; it must be a text")
        if value is None:
            self.refuse(f"has no {key!r}; it has {', '.join(self.values) or 'no keys'}")
        return value

    def optional(self, key: str) -> str | None:
        """Return a text, or None when it is absent, null or empty."""
        value = self.values.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            self.refuse(f"{key!r} must be a text, not {shown(value)}")
        if "\0" in value:
            self.refuse(f"{key!r} {shown(value)} holds a NUL character")
        return value

    def name(self, key: str) -> str:
        """Return a text that other parts of the request can refer to."""
        value = self.text(key)
        self.check_name(key, value)
        return value

    def check_name(self, key: str, value: str) -> None:
        """Refuse what cannot serve as a name: too long, unprintable, or with a `|`."""
        if len(value) > MAX_NAME or "|" in value or not value.isprintable():
            self.refuse(
                f"{key!r} {shown(value)} is no name; a name is printable, holds no '|' "
                f"and has at most {MAX_NAME} characters"
            )

    def object(self, key: str) -> "Item":
        """Return the JSON object under a key as an item of its own."""
        value = self.values[key]
        if not isinstance(value, dict):
            self.refuse(f"{key!r} must be an object, not {shown(value)}")
        return Item(self.locator, f"{self.place}.{key}", value)


def items(text: str, locator: str, limit: int) -> list[Item]:
    """Return the objects of a JSON list; a single object counts as a list of one.

    Raises MissingInput for an empty text, InvalidInput for anything else that is not such a list or
    has more than `limit` members; `locator` is the request's input the text is from.
    """
    if not text.strip():
        raise MissingInput(f"input {locator!r} is empty; it must be a JSON list", locator=locator)
    value = _decode(text, locator)
    members = value if isinstance(value, list) else [value]
    if len(members) > limit:
        raise InvalidInput(f"{locator}: {len(members)} items; at most {limit}", locator=locator)
    for index, member in enumerate(members):
        if not isinstance(member, dict):
            raise InvalidInput(
                f"{locator}[{index}] must be an object, not {shown(member)}", locator=locator
            )
    return [Item(locator, f"{locator}[{index}]", m) for index, m in enumerate(members)]


def _decode(text: str, locator: str) -> Any:
    if len(text) > MAX_CHARACTERS:
        raise InvalidInput(
            f"{locator}: {len(text)} characters; at most {MAX_CHARACTERS}", locator=locator
        )
    try:
        value = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
        # Half of a surrogate pair is legal JSON, but no file or document could hold it.
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        found = f"{error.msg} at line {error.lineno}, column {error.colno}"
        raise InvalidInput(f"{locator} is not JSON: {found}", locator=locator) from error
    except RecursionError as error:
        raise InvalidInput(f"{locator} is nested too deeply", locator=locator) from error
    except UnicodeEncodeError as error:
        raise InvalidInput(f"{locator} holds half of a surrogate pair", locator=locator) from error
    except ValueError as error:
        raise InvalidInput(f"{locator}: {error}", locator=locator) from error
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {shown(twice)} occurs twice in one object")
    return result


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a number that can be used")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{shown(text)} is too large for a number")
    return value
