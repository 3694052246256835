"""The data of a DAP2 answer, in XDR, block by block.

A block is read under the library's lock and sent without it, so memory stays at one block however
large the answer, and a slow client holds nobody up.
"""

import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

import netCDF4
import numpy as np

from compute_wps.data.dap2.constraint import Part, Projection
from compute_wps.data.dap2.dataset import LIBRARY, holds_unsigned_bytes, opened
from compute_wps.data.dap2.model import WIRE, Variable, elements

BLOCK_BYTES = 4_000_000


def stream(path: Path, head: bytes, projections: Iterable[Projection]) -> Iterator[bytes]:
    """Give the DDS (`head`), then the values of each part in the order of the DDS.

    Close the iterator to release the file early.
    """
    with opened(path) as file:
        yield head + b"Data:\n"
        for projection in projections:
            for part in projection.parts:
                yield from _part(file, part)


def size(head: bytes, projections: Iterable[Projection]) -> int | None:
    """Return the exact length in bytes of the whole answer, or None when texts leave it open."""
    parts = [part for projection in projections for part in projection.parts]
    if any(part.variable.type == "String" for part in parts):
        return None
    return len(head) + len(b"Data:\n") + sum(part.bytes for part in parts)


def _part(file: netCDF4.Dataset, part: Part) -> Iterator[bytes]:
    count = elements(part.shape)
    is_text = part.variable.type == "String"
    encode = _texts if is_text else _numbers
    if part.slab:
        # The array's length, and for numbers once more as that of their XDR encoding.
        yield struct.pack(">I", count) * (1 if is_text else 2)
    limit = max(1, BLOCK_BYTES * count // max(part.bytes, 1))
    for slab in blocks(part.slab, limit):
        with LIBRARY:
            values = _read(file, part.variable, slab)
        yield encode(part, values)
    if part.variable.type == "Byte":
        yield bytes(-count % 4)


def blocks(slab: tuple[range, ...], limit: int) -> Iterator[tuple[range, ...]]:
    """Cut a hyperslab into pieces of at most `limit` values that follow each other in row order."""
    sizes = [len(indices) for indices in slab]
    if elements(sizes) <= limit:
        if elements(sizes):
            yield slab
        return
    axis = next(number for number, points in enumerate(sizes) if points > 1)
    points = max(1, limit // elements(sizes[axis + 1 :]))
    indices = slab[axis]
    for first in range(0, len(indices), points):
        yield from blocks((*slab[:axis], indices[first : first + points], *slab[axis + 1 :]), limit)


def _read(file: netCDF4.Dataset, variable: Variable, slab: tuple[range, ...]) -> np.ndarray:
    key = tuple(slice(indices.start, indices.stop, indices.step) for indices in slab)
    stored = file.variables[variable.name]
    values = np.asarray(stored[key or ...], dtype=object if stored.dtype is str else None)
    return values.view("u1") if stored.dtype is not str and holds_unsigned_bytes(stored) else values


def _numbers(part: Part, values: np.ndarray) -> bytes:
    return values.astype(WIRE[part.variable.type]).tobytes()


def _texts(part: Part, values: np.ndarray) -> bytes:
    if part.variable.characters is None:
        texts = [text.encode() for text in values.ravel()]
    else:
        rows = values.reshape(-1, part.variable.characters.size)
        texts = [row.tobytes().rstrip(b"\0") for row in rows]
    return b"".join(struct.pack(">I", len(text)) + text + bytes(-len(text) % 4) for text in texts)
