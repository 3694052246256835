"""Random cases made from a seed.

Hypothesis prefers small and repeated values, which makes it good at shrinking but leaves most
combinations of many choices untried. A seed spreads the cases evenly; the failing seed is shown.
"""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from hypothesis import strategies as st

T = TypeVar("T")


def seeded(make: Callable[[np.random.Generator], T]) -> st.SearchStrategy[T]:
    """Return a strategy of what is made with a random generator."""
    return st.integers(0, 2**63 - 1).map(lambda seed: make(np.random.default_rng(seed)))


def one_of(random: np.random.Generator, options: Sequence[T]) -> T:
    """Return one of the options."""
    return options[int(random.integers(len(options)))]


def some_of(random: np.random.Generator, options: Sequence[T]) -> list[T]:
    """Return at least one of the options, in any order."""
    count = int(random.integers(1, len(options) + 1))
    return [options[place] for place in random.permutation(len(options))[:count]]
