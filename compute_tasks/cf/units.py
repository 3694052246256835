"""Units of results, in the notation of UDUNITS.

Products of powers such as `kg m-2 s-1` are worked out; units of another form (`degC @ 3`, offsets,
scales) are put in brackets. `None` stands for units that are not known.
"""

import re
from collections import Counter

FACTOR = re.compile(r"(?P<unit>[A-Za-z%\u00b0\u00b5_]+)(?:\^|\*\*)?(?P<power>[+-]?\d+)?")


def same(first: str | None, second: str | None) -> bool:
    """Say whether two units are written for the same thing; unknown ones count as equal."""
    if first is None or second is None or first.split() == second.split():
        return True
    a, b = _factors(first), _factors(second)
    return a is not None and a == b


def product(first: str | None, second: str | None) -> str | None:
    """Return the units of a product."""
    if first is None or second is None:
        return None
    a, b = _factors(first), _factors(second)
    if a is None or b is None:
        return f"({first}) ({second})"
    return _written(Counter({u: a[u] + b[u] for u in (*a, *b)}))


def power(units: str | None, exponent: float) -> str | None:
    """Return the units of a power, or None where they cannot be written with whole exponents."""
    if units is None:
        return None
    factors = _factors(units)
    if factors is not None:
        powers = {unit: count * exponent for unit, count in factors.items()}
        if all(float(p).is_integer() for p in powers.values()):
            return _written(Counter({unit: int(p) for unit, p in powers.items()}))
        return None
    return f"({units}){int(exponent)}" if float(exponent).is_integer() else None


def quotient(first: str | None, second: str | None) -> str | None:
    """Return the units of a ratio."""
    return product(first, power(second, -1))


def _factors(units: str) -> Counter[str] | None:
    """Return the exponent of each unit in a plain product of powers, else None."""
    factors: Counter[str] = Counter()
    sign = 1
    for word in re.findall(r"/|[^\s./]+", units):
        match = FACTOR.fullmatch(word)
        if match:
            factors[match["unit"]] += int(match["power"] or 1) * sign
        elif word not in {"/", "1"}:
            return None
        sign = -1 if word == "/" else 1
    return factors


def _written(factors: Counter[str]) -> str:
    words = [unit if n == 1 else f"{unit}{n}" for unit, n in factors.items() if n]
    return " ".join(words) or "1"
