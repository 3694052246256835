"""Readers of parameter texts, and the parameters that many processes share.

A value arrives as one text, several values joined by `|`. Each reader returns the parsed value or
raises ValueError with a text saying what is accepted.
"""

import math
import re
from collections.abc import Callable
from itertools import pairwise

from compute_tasks.registry import Parameter

# What every NetCDF library takes as a name, and a file name can hold.
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.@+-]{0,127}")


def number(text: str) -> float:
    """Return one finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number, such as 2, -1.5 or 1e-3")
    return value


def numbers(text: str) -> tuple[float, ...]:
    """Return the numbers of `0|10|20`."""
    return tuple(number(part.strip()) for part in text.split("|"))


def edges(text: str) -> tuple[float, ...]:
    """Return two or more increasing numbers."""
    values = numbers(text)
    if len(values) < 2 or any(a >= b for a, b in pairwise(values)):
        raise ValueError("give two or more increasing edges, such as 0|10|20")
    return values


def name(text: str) -> str:
    """Return one name, without the blanks around it."""
    if not text.strip() or "|" in text:
        raise ValueError("give one name, such as tas")
    return text.strip()


def names(text: str) -> tuple[str, ...]:
    """Return the names of `lat|lon`, each once; commas separate them as well."""
    found = tuple(dict.fromkeys(part.strip() for part in re.split(r"[|,]", text)))
    if not all(found):
        raise ValueError("give names joined by |, such as lat|lon")
    return found


def pairs(text: str) -> dict[str, str]:
    """Return `old|new|old|new` as a mapping from old to new names."""
    words = [part.strip() for part in text.split("|")]
    if len(words) % 2 or not all(words):
        raise ValueError("give pairs of an old and a new name, such as tas|temperature")
    old, new = words[::2], words[1::2]
    for changed in (old, new):
        if repeated := [word for word in changed if changed.count(word) > 1]:
            raise ValueError(f"the name {repeated[0]!r} comes twice")
    if bad := [word for word in new if not NAME.fullmatch(word)]:
        raise ValueError(
            f"{bad[0]!r} cannot name a variable; use letters, digits and _ . @ + -, "
            "with a letter or _ first"
        )
    return dict(zip(old, new, strict=True))


def choice(*choices: str) -> Callable[[str], str]:
    """Return a reader that takes one of the given words, in any case."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in choices:
            raise ValueError(f"give one of {', '.join(choices)}")
        return word

    return parse


AXES = Parameter(
    "axes",
    "Axes to reduce over, by name or role (x, y, z, t), joined by |; all if not given.",
    parse=names,
    kind="names",
)
CONST = Parameter(
    "const", "A number to compute with, instead of a second input.", parse=number, kind="number"
)
VARIABLE = Parameter(
    "variable",
    "The only variable to compute on; others pass through unchanged. All if not given.",
    parse=name,
    kind="name",
)
FILLNA = Parameter(
    "fillna",
    "A number put in place of missing values of the result, in its units.",
    parse=number,
    kind="number",
)
RENAME = Parameter(
    "rename",
    "New names for variables or axes of the result: old|new, or old|new|old|new; after fillna.",
    parse=pairs,
    kind="name pairs",
)
COMMON = (VARIABLE, FILLNA, RENAME)
