"""Reading boxes of arrays that are made of pieces of files, in one thread."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack

import numpy as np

from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.hyperslab import parts
from compute_tasks.engine.layout import File
from compute_tasks.engine.reader import ChunkReader, opened
from compute_tasks.engine.reduction import Source

Box = tuple[slice, ...]
OPEN_READERS = 8
"""Variables of files that one thread keeps open, at most, each with buffers of a few chunks."""
OPEN_BYTES = 1 << 23
"""Bytes of their chunks, at most, if there is more than one."""


class SourceReader:
    """Reads boxes one after the other; used by one thread at a time, and to be closed."""

    def __init__(self) -> None:
        self._readers: dict[tuple[File, str], tuple[ChunkReader, ExitStack]] = {}
        self._places: dict[int, tuple[Source, np.ndarray, np.ndarray]] = {}

    def close(self) -> None:
        """Close the files."""
        while self._readers:
            self._readers.popitem()[1][1].close()

    def read(self, source: Source, box: Box, out: np.ndarray) -> None:
        """Put the values in the box into `out`, as they are stored; raises DamagedFileError."""
        for number in self._touched(source, box):
            piece = source.pieces[number]
            common = [
                slice(max(extent.start, start), min(extent.stop, start + length))
                for extent, start, length in zip(box, piece.origin, piece.shape, strict=True)
            ]
            if all(extent.start < extent.stop for extent in common):
                self._read_piece(piece, common, box, out)

    def _read_piece(self, piece: Piece, common: Sequence[slice], box: Box, out: np.ndarray) -> None:
        """Read the part that a piece and the box have in common."""
        batch = [
            parts(places[extent.start - start : extent.stop - start], size)
            for places, extent, start, size in zip(
                piece.ranges, common, piece.origin, piece.variable.chunk, strict=True
            )
        ]
        target = tuple(
            slice(extent.start - outer.start, extent.stop - outer.start)
            for extent, outer in zip(common, box, strict=True)
        )
        self._reader(piece).read(batch, out[target])

    def _touched(self, source: Source, box: Box) -> Iterable[int]:
        """Return the numbers of the pieces that are in the box's run of the first dimension."""
        if not box:
            return range(len(source.pieces))
        known = self._places.get(id(source))
        if known is None:
            starts = np.array([piece.origin[0] for piece in source.pieces])
            ends = starts + [piece.shape[0] for piece in source.pieces]
            known = self._places[id(source)] = source, starts, ends
        inside = (known[1] < box[0].stop) & (known[2] > box[0].start)
        return [int(number) for number in np.flatnonzero(inside)]

    def _reader(self, piece: Piece) -> ChunkReader:
        key = piece.file, piece.variable.name
        reader, stack = self._readers.pop(key, (None, None))
        if reader is None or stack is None:
            self._make_room(piece)
            stack = ExitStack()
            descriptor = stack.enter_context(opened(piece.file))
            reader = ChunkReader(descriptor, piece.file.name, piece.variable)
        self._readers[key] = reader, stack
        return reader

    def _make_room(self, piece: Piece) -> None:
        """Close readers, those that were not used for longest first, until one fits in."""
        room = OPEN_BYTES - piece.variable.chunk_bytes
        while len(self._readers) >= OPEN_READERS or (
            self._readers and sum(r.variable.chunk_bytes for r, _ in self._readers.values()) > room
        ):
            self._readers.pop(next(iter(self._readers)))[1].close()
