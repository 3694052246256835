"""How much a run will read and write, known before anything is computed.

Bytes are those of the numbers in memory, before compression on either side. What is read of a
source follows from what each step selects of its inputs: of a half of a half, a quarter is read.
Where two steps read the same, both count, though no more than the whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import xarray as xr

from compute_tasks.operators.grouping import Grouped


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes a run will read of its sources, and bytes of its results."""

    input_bytes: int
    output_bytes: int


class Reading:
    """What the steps of a run take of their inputs; `sources` are the datasets read from files."""

    def __init__(self, sources: Mapping[str, xr.Dataset]) -> None:
        self._sources = {name: size(dataset) for name, dataset in sources.items()}
        self._steps: list[tuple[str, Mapping[str, float]]] = []

    def step(self, name: str, shares: Mapping[str, float]) -> None:
        """Note the share, 0 to 1, a step takes of each of its inputs; call it in their order."""
        self._steps.append((name, shares))

    def estimate(self, results: Mapping[str, xr.Dataset]) -> Estimate:
        """Return what it takes to compute these results of steps."""
        wanted = dict.fromkeys(results, 1.0)
        for name, shares in reversed(self._steps):
            for source, taken in shares.items():
                more = wanted.get(source, 0.0) + wanted.get(name, 0.0) * taken
                wanted[source] = min(1.0, more)
        read = sum(whole * wanted.get(name, 0.0) for name, whole in self._sources.items())
        return Estimate(round(read), sum(map(size, results.values())))


def shares(parts: Mapping[str, Any], wholes: Mapping[str, Any]) -> dict[str, float]:
    """Return by name which share of each whole its part is, in bytes."""
    return {name: size(part) / (size(wholes[name]) or 1) for name, part in parts.items()}


def size(data: xr.Dataset | Grouped) -> int:
    """Return the bytes of the data variables."""
    dataset = data.dataset if isinstance(data, Grouped) else data
    return sum(variable.nbytes for variable in dataset.data_vars.values())
