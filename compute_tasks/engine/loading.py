"""Reading the blocks of a unit as bytes that rows are taken from, with as few steps as possible.

Chunks stay as they come out of the decompressor, one after the other, where rows can be taken from
them as they are. Elsewhere they are put together to an array.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from compute_tasks.engine import adding
from compute_tasks.engine.blocks import BLOCK_BYTES, Unit, positions
from compute_tasks.engine.bytes import fill
from compute_tasks.engine.filters import SHUFFLE, DamagedChunkError, Decoder, buffers
from compute_tasks.engine.hyperslab import Part
from compute_tasks.engine.layout import NEVER_WRITTEN, Filter, Handle, VariableIndex
from compute_tasks.engine.reader import ChunkReader, damaged
from compute_tasks.engine.reduction import Source
from compute_tasks.engine.scratch import Scratch

GAP_BYTES = 1 << 16
"""Bytes between neighbouring chunks that are read rather than skipped."""
BYTE = np.dtype("u1")
Read = Callable[[int, np.ndarray], None]
KINDS = {"f": adding.FLOATING, "i": adding.SIGNED, "u": adding.UNSIGNED}


class Loaded(NamedTuple):
    """A block: its bytes, the steps of the unit in it, and where steps and inner rows begin."""

    data: np.ndarray
    form: adding.Form
    steps: slice | np.ndarray
    step_starts: np.ndarray
    starts: np.ndarray


def loaded(source: Source, unit: Unit, descriptor: Handle, scratch: Scratch) -> Iterator[Loaded]:
    """Yield the blocks of a unit, each in the memory of the one before; raises DamagedFileError."""
    if _is_raw(unit):
        return _Chunks(source, unit, descriptor).blocks(scratch)
    return _assembled(source, unit, descriptor, scratch)


def memory(unit: Unit) -> int:
    """Return about how many bytes of buffers the blocks of a unit are read and inflated in."""
    variable: VariableIndex = unit.piece.variable
    size, filters = variable.chunk_bytes, variable.filters
    chunks = max(map(len, unit.blocks)) * math.prod(map(len, unit.tile))
    stored = int(variable.sizes.max(initial=0)) if filters else 0
    if _is_raw(unit):
        gaps = min(GAP_BYTES * max(map(len, unit.blocks)), BLOCK_BYTES)
        return chunks * (size + stored) + gaps + buffers(_after_shuffle(variable)) * size
    steps = max(sum(map(_count, block)) for block in unit.blocks)
    lengths = [along[-1].out.stop - along[0].out.start for along in unit.tile]
    block = steps * math.prod(lengths) * variable.dtype.itemsize
    return block + (stored + (1 + buffers(filters)) * size if filters else 0)


def plain(values: np.ndarray) -> Loaded:
    """Return computed values as a block."""
    form = _form(Source((), values.dtype), values.dtype, 1, values.dtype.itemsize)
    width = values.dtype.itemsize
    columns = values.shape[-1] if values.ndim > 1 else 1
    step = math.prod(values.shape[1:])
    data = np.ascontiguousarray(values).reshape(-1).view("u1")
    starts = np.arange(step // max(columns, 1)) * columns * width
    return Loaded(data, form, slice(0, len(values)), np.arange(len(values)) * step * width, starts)


def _form(source: Source, stored: np.dtype, plane: int, stride: int) -> adding.Form:
    """Return how numbers of a stored type are read; `plane` is without their byte order."""
    missing = np.asarray(source.missing, np.float64)
    if stored.kind == "f":
        missing = missing.astype(stored).astype(np.float64)
    packed = source.scale is not None or source.offset is not None
    little = stored.str[0] != ">"
    code = adding.PACKED
    if stored.kind == "f" and stored.itemsize == source.dtype.itemsize == 4 and not packed:
        code = _single(missing.size, plane if little else -plane, stride)
    return adding.Form(
        code,
        stored.itemsize,
        plane if little else -plane,
        stride,
        KINDS[stored.kind],
        source.dtype == np.float32,
        _number(source.scale, source.dtype, 1.0),
        _number(source.offset, source.dtype, 0.0),
        missing,
    )


def _single(missing: int, plane: int, stride: int) -> int:
    """Return the code of float32 that mean themselves."""
    if missing > 1:
        return adding.SINGLE
    if stride == 1:
        return adding.SHUFFLED
    return adding.DIRECT if plane == 1 else adding.SWAPPED


def _number(given: float | None, dtype: np.dtype, otherwise: float) -> float:
    """Return a number as numpy takes it: those of Python have the type of the array."""
    if given is None:
        return otherwise
    return float(given if isinstance(given, np.generic) else dtype.type(given))


def _is_raw(unit: Unit) -> bool:
    """Tell whether rows can be taken from the chunks themselves."""
    variable = unit.piece.variable
    if variable.inline is not None or (unit.tile and not _is_run(unit.tile[-1])):
        return False
    if not variable.filters and not _is_most(unit):
        return False
    grid = np.ix_(*unit.chunks)
    written = variable.offsets[grid] != NEVER_WRITTEN
    return bool(written.all() and not variable.masks[grid].any())


def _after_shuffle(variable: VariableIndex) -> Sequence[Filter]:
    """Return the filters but for a shuffle that came first, which rows are put together from."""
    filters = variable.filters
    shuffled = bool(filters) and filters[0].number == SHUFFLE and variable.dtype.itemsize > 1
    return filters[1:] if shuffled else filters


def _is_most(unit: Unit) -> bool:
    """Tell whether the unit has most of its chunks, so that they may as well be read whole."""
    steps = (part for block in unit.blocks for part in block)
    wanted = math.prod(sum(map(_count, along)) for along in (steps, *unit.tile))
    whole = math.prod(map(len, unit.chunks)) * math.prod(unit.piece.variable.chunk)
    return 2 * wanted >= whole


def _is_run(along: Sequence[Part]) -> bool:
    """Tell whether the places are neighbours in one chunk."""
    local = along[0].local
    return len(along) == 1 and isinstance(local, slice) and local.step == 1


def _assembled(
    source: Source, unit: Unit, descriptor: Handle, scratch: Scratch
) -> Iterator[Loaded]:
    variable = unit.piece.variable
    reader = ChunkReader(descriptor, unit.piece.file.name, variable)
    lengths = [along[-1].out.stop - along[0].out.start for along in unit.tile]
    longest = max(sum(_count(part) for part in block) for block in unit.blocks)
    buffer = scratch.array((longest, *lengths), variable.dtype)
    tile = [_moved(along) for along in unit.tile]
    for block, steps in unit.steps():
        values = buffer[: sum(map(_count, block))]
        reader.read([_moved(block), *tile], values)
        whole = plain(values.view(variable.dtype.newbyteorder("=")))
        form = _form(source, variable.dtype, 1, variable.dtype.itemsize)
        first = 0 if form.plane > 0 else variable.dtype.itemsize - 1
        yield whole._replace(form=form, steps=steps, starts=whole.starts + first)


def _moved(along: Sequence[Part]) -> list[Part]:
    """Return the parts one after the other, from place 0 on."""
    ends = list(accumulate(map(_count, along)))
    begins = [0, *ends[:-1]]
    return [
        part._replace(out=slice(begin, end))
        for part, begin, end in zip(along, begins, ends, strict=True)
    ]


def _count(part: Part) -> int:
    return int(part.out.stop - part.out.start)


class _Chunks:
    """Reads blocks as chunks one after the other."""

    def __init__(self, source: Source, unit: Unit, descriptor: Handle) -> None:
        self.unit, self.descriptor, self.variable = unit, descriptor, unit.piece.variable
        variable = self.variable
        filters, itemsize = _after_shuffle(variable), variable.dtype.itemsize
        shuffled = len(filters) < len(variable.filters)
        number = variable.chunk_bytes // itemsize
        plane, stride = (number, 1) if shuffled else (1, itemsize)
        self.form = _form(source, variable.dtype, plane, stride)
        self.decoder = Decoder(filters, itemsize, variable.chunk_bytes)
        grid = np.ix_(*unit.chunks)
        # One line of chunks for each chunk along the first dimension, and some lines for a block.
        lines = len(unit.chunks[0]), -1
        self.offsets = variable.offsets[grid].reshape(lines)
        self.ends = self.offsets + variable.sizes[grid].reshape(lines)
        self.lengths = np.fromiter(map(len, unit.blocks), "int64")
        self.begins = np.cumsum(self.lengths) - self.lengths
        self.firsts = np.minimum.reduceat(self.offsets.min(axis=1), self.begins)
        self.spans = np.maximum.reduceat(self.ends.max(axis=1), self.begins) - self.firsts
        self.together = self._stand_together()
        first = 0 if self.form.plane > 0 else (itemsize - 1) * plane
        self.starts = first + _inner_starts(unit, stride)

    def _stand_together(self) -> np.ndarray:
        """Tell of which blocks the bytes of all chunks are read in one go, gaps included."""
        stored = np.add.reduceat((self.ends - self.offsets).sum(axis=1), self.begins)
        near = self.spans <= stored + np.minimum(GAP_BYTES * self.lengths, BLOCK_BYTES)
        if self.variable.filters:
            return near
        # Rows are taken from what is read: all numbers of a block must be whole ones.
        apart = self.offsets - np.repeat(self.firsts, self.lengths)[:, None]
        fits = apart % self.variable.dtype.itemsize == 0
        fits &= apart - apart[:, :1] == np.arange(apart.shape[1]) * self.variable.chunk_bytes
        return near & np.logical_and.reduceat(fits.all(axis=1), self.begins)

    def blocks(self, scratch: Scratch) -> Iterator[Loaded]:
        """Yield the blocks, each in the memory of the one before."""
        whole = self.offsets.shape[1] * self.variable.chunk_bytes
        room = int(self.lengths.max()) * whole
        if not self.variable.filters:
            room = max(room, int(self.spans[self.together].max(initial=0)))
        data = scratch.array((room,), BYTE)
        read = self._inflated(scratch) if self.variable.filters else self._read
        places, done = self._step_starts(whole), 0
        for number, (_, steps) in enumerate(self.unit.steps()):
            read(number, data)
            yield Loaded(data, self.form, steps, places[done : done + len(steps)], self.starts)
            done += len(steps)

    def _step_starts(self, whole: int) -> np.ndarray:
        """Return where each step begins in the bytes of its block; a line of chunks has `whole`."""
        starts = np.arange(len(self.offsets)) - np.repeat(self.begins, self.lengths)
        starts *= whole
        if not self.variable.filters:
            as_stored = self.offsets[:, 0] - np.repeat(self.firsts, self.lengths)
            starts = np.where(np.repeat(self.together, self.lengths), as_stored, starts)
        parts = [part for block in self.unit.blocks for part in block]
        step = math.prod(self.variable.chunk[1:]) * self.form.stride
        counts = [_count(part) for part in parts]
        return np.repeat(starts, counts) + positions([part.local for part in parts]) * step

    def _read(self, number: int, data: np.ndarray) -> None:
        """Read a block of chunks that are stored as they are."""
        begin, first = int(self.begins[number]), int(self.firsts[number])
        if self.together[number]:
            self._fill(data[: self.spans[number]], first, begin)
            return
        size = self.variable.chunk_bytes
        for place, (offset, end) in enumerate(self._extents(number)):
            self._fill(data[place * size : place * size + end - offset], offset, begin)

    def _inflated(self, scratch: Scratch) -> Read:
        """Return what reads and inflates a block of chunks."""
        sizes = self.ends - self.offsets
        room = int(np.where(self.together, self.spans, sizes.max()).max())
        stored, size = scratch.array((room,), BYTE), self.variable.chunk_bytes

        def read(number: int, data: np.ndarray) -> None:
            begin, first = int(self.begins[number]), int(self.firsts[number])
            together = self.together[number]
            if together:
                self._fill(stored[: self.spans[number]], first, begin)
            for place, (offset, end) in enumerate(self._extents(number)):
                if together:
                    chunk = stored[offset - first : end - first]
                else:
                    chunk = stored[: end - offset]
                    self._fill(chunk, offset, begin)
                try:
                    self.decoder.decode(chunk, 0, data[place * size : (place + 1) * size])
                except DamagedChunkError as error:
                    raise self._damaged(begin, place, error) from error

        return read

    def _extents(self, number: int) -> Iterator[tuple[int, int]]:
        """Return where the chunks of a block begin and end in the file."""
        lines = slice(self.begins[number], self.begins[number] + self.lengths[number])
        return zip(
            self.offsets[lines].ravel().tolist(), self.ends[lines].ravel().tolist(), strict=True
        )

    def _fill(self, out: np.ndarray, offset: int, line: int) -> None:
        try:
            fill(self.descriptor, out, offset)
        except DamagedChunkError as error:
            raise self._damaged(line, 0, error) from error

    def _damaged(self, line: int, number: int, error: DamagedChunkError) -> Exception:
        counts = [len(along) for along in self.unit.chunks]
        place = np.unravel_index(line * self.offsets.shape[1] + number, counts)
        chunk = tuple(along[at] for along, at in zip(self.unit.chunks, place, strict=True))
        return damaged(self.unit.piece.file.name, self.variable, chunk, error)


def _inner_starts(unit: Unit, stride: int) -> np.ndarray:
    """Return where the rows of a step begin, from where it begins in its line of chunks."""
    variable: VariableIndex = unit.piece.variable
    counts = [len(along) for along in unit.tile]
    starts = np.zeros(1, "int64")
    for axis, along in enumerate(unit.tile, start=1):
        far = math.prod(counts[axis:]) * variable.chunk_bytes
        near = math.prod(variable.chunk[axis + 1 :]) * stride
        if axis == len(unit.tile):
            return starts + positions([along[0].local])[0] * near
        places = [
            number * far + positions([part.local]) * near for number, part in enumerate(along)
        ]
        starts = np.add.outer(starts, np.concatenate(places)).reshape(-1)
    return starts
