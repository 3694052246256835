"""Making pointwise nodes: chains of functions become one, which reads each of its operands once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compute_tasks.engine.expression import Operand, Pointwise

Function = Callable[..., np.ndarray]
GAP = object
"""Stands for an operand among the arguments of a `Call`: the class itself, which pickles."""


@dataclass(frozen=True, slots=True)
class Call:
    """A numpy function with some arguments given, `GAP` for those that are still to come."""

    function: Function
    arguments: tuple[Any, ...]

    def __call__(self, *operands: np.ndarray) -> np.ndarray:
        """Return the function of all arguments, without a word about undefined results."""
        coming = iter(operands)
        arguments = [next(coming) if a is GAP else a for a in self.arguments]
        with np.errstate(all="ignore"):
            return np.asarray(self.function(*arguments))


@dataclass(frozen=True, slots=True)
class Chain:
    """Functions one after the other; each gets operands and earlier results, by number.

    The operands have the first numbers, then the results. The last result is that of the chain.
    """

    operands: int
    steps: tuple[tuple[Function, tuple[int, ...]], ...]

    def __call__(self, *operands: np.ndarray) -> np.ndarray:
        """Return the last result."""
        values = list(operands)
        for function, numbers in self.steps:
            values.append(function(*(values[number] for number in numbers)))
        return values[-1]


def pointwise(function: Function, operands: Sequence[Operand], dtype: np.dtype) -> Pointwise:
    """Return the node of a function of operands, which have the same number of dimensions.

    Operands that are pointwise themselves are joined with it, so that what they share is read and
    computed once.
    """
    shape = np.broadcast_shapes(*(operand.shape for operand in operands))
    joined = _Joined()
    numbers = tuple(joined.number(operand) for operand in operands)
    steps = (*joined.steps, (function, numbers))
    leaves = tuple(joined.leaves)
    chain = Chain(len(leaves), tuple((f, _counted(n, len(leaves))) for f, n in steps))
    return Pointwise(chain, leaves, shape, dtype)


class _Joined:
    """Leaves and steps that several operands need, each once; steps have numbers below zero."""

    def __init__(self) -> None:
        self.leaves: list[Operand] = []
        self.steps: list[tuple[Function, tuple[int, ...]]] = []

    def number(self, operand: Operand) -> int:
        """Return the number of an operand, after joining what it is made of."""
        if not (isinstance(operand, Pointwise) and isinstance(operand.function, Chain)):
            return self._leaf(operand)
        known = [self._leaf(leaf) for leaf in operand.operands]
        for function, numbers in operand.function.steps:
            known.append(self._step(function, tuple(known[number] for number in numbers)))
        return known[-1]

    def _leaf(self, leaf: Operand) -> int:
        for number, other in enumerate(self.leaves):
            if other is leaf:
                return number
        self.leaves.append(leaf)
        return len(self.leaves) - 1

    def _step(self, function: Function, numbers: tuple[int, ...]) -> int:
        for place, (other, same) in enumerate(self.steps):
            if other is function and same == numbers:
                return -place - 1
        self.steps.append((function, numbers))
        return -len(self.steps)


def _counted(numbers: tuple[int, ...], leaves: int) -> tuple[int, ...]:
    """Return the numbers with those of steps after those of the leaves."""
    return tuple(number if number >= 0 else leaves - number - 1 for number in numbers)
