"""Chunks in an order that keeps what recurs together: all Januaries of a series, and so on.

Where groups recur, any run of time has something of each of them, and its cells are those of the
whole result. Runs of a few groups each have few cells, and nothing is read more than once.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from compute_tasks.engine.hyperslab import Part

RUN_BYTES = 1 << 23
"""Bytes of a run, at least, where so much is left."""


def wanted(parts: Sequence[Part], labels: np.ndarray) -> list[Part]:
    """Return the parts that have places with a group; `labels` are those of all their places."""
    highest = np.maximum.reduceat(labels, [part.out.start for part in parts])
    return [part for part, group in zip(parts, highest, strict=True) if group >= 0]


def recur(labels: np.ndarray) -> bool:
    """Tell whether a group comes again after others."""
    known = labels[labels >= 0]
    return bool((known[1:] < known[:-1]).any())


def together(
    parts: Sequence[Part], labels: np.ndarray, part_bytes: int
) -> Iterator[Sequence[Part]]:
    """Yield the parts in runs of whole groups, each in ascending order; in one if any has several.

    `labels` are the groups of the places the parts are of, `part_bytes` what a part takes.
    """
    groups: dict[int, list[Part]] = {}
    for part in parts:
        own = labels[part.out]
        if (own != own[0]).any():
            yield parts
            return
        groups.setdefault(int(own[0]), []).append(part)
    run: list[Part] = []
    for group in sorted(groups):
        run += groups[group]
        if len(run) * part_bytes >= RUN_BYTES:
            yield sorted(run, key=_start)
            run = []
    if run:
        yield sorted(run, key=_start)


def _start(part: Part) -> int:
    return int(part.out.start)
