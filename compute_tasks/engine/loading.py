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
from compute_tasks.engine.blocks import Unit, positions
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
Read = Callable[[int, int, np.ndarray], None]
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
        return chunks * (size + stored) + buffers(_after_shuffle(variable)) * size
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
    return adding.DIRECT if plane == 1 else adding.SINGLE


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
        # One line of chunks for each chunk along the first dimension.
        lines = len(unit.chunks[0]), -1
        self.offsets = variable.offsets[grid].reshape(lines)
        self.ends = self.offsets + variable.sizes[grid].reshape(lines)
        first = 0 if self.form.plane > 0 else (itemsize - 1) * plane
        self.starts = first + _inner_starts(unit, stride)

    def blocks(self, scratch: Scratch) -> Iterator[Loaded]:
        count, size = self.offsets.shape[1], self.variable.chunk_bytes
        lengths = np.fromiter(map(len, self.unit.blocks), "int64")
        data = scratch.array((int(lengths.max()) * count * size,), BYTE)
        begins = np.cumsum(lengths) - lengths
        read = self._inflated(begins, lengths, scratch) if self.variable.filters else self._read
        step = math.prod(self.variable.chunk[1:]) * self.form.stride
        parts = [part for block in self.unit.blocks for part in block]
        lines = np.repeat(np.arange(len(parts)), [_count(part) for part in parts])
        # Where each step is in lines of chunks one after the other.
        places = lines * count * size + positions([part.local for part in parts]) * step
        done = 0
        for begin, (block, steps) in zip(begins.tolist(), self.unit.steps(), strict=True):
            read(begin, begin + len(block), data)
            starts = places[done : done + len(steps)] - begin * count * size
            yield Loaded(data, self.form, steps, starts, self.starts)
            done += len(steps)

    def _read(self, begin: int, end: int, data: np.ndarray) -> None:
        """Read some lines of chunks that are stored as they are, in one go if they make a run."""
        offsets, ends = self.offsets[begin:end].ravel(), self.ends[begin:end].ravel()
        size = self.variable.chunk_bytes
        if (offsets[1:] == ends[:-1]).all() and (ends - offsets)[:-1].sum() == size * (
            ends.size - 1
        ):
            self._fill(data[: ends[-1] - offsets[0]], int(offsets[0]), begin)
            return
        extents = zip(offsets.tolist(), ends.tolist(), strict=True)
        for number, (offset, stop) in enumerate(extents):
            self._fill(data[number * size : number * size + stop - offset], offset, begin)

    def _inflated(self, begins: np.ndarray, lengths: np.ndarray, scratch: Scratch) -> Read:
        """Return what reads and inflates lines of chunks, in one go where they stand together.

        `begins` and `lengths` are those of the runs of lines it will be asked for.
        """
        sizes = self.ends - self.offsets
        firsts = np.minimum.reduceat(self.offsets.min(axis=1), begins)
        spans = np.maximum.reduceat(self.ends.max(axis=1), begins) - firsts
        apart = spans > np.add.reduceat(sizes.sum(axis=1), begins) + GAP_BYTES * lengths
        room = int(np.where(apart, sizes.max(), spans).max())
        stored, size = scratch.array((room,), BYTE), self.variable.chunk_bytes
        columns = (firsts.tolist(), spans.tolist(), apart.tolist())
        known = dict(zip(begins.tolist(), zip(*columns, strict=True), strict=True))

        def read(begin: int, end: int, data: np.ndarray) -> None:
            first, span, is_apart = known[begin]
            if not is_apart:
                self._fill(stored[:span], first, begin)
            extents = zip(
                self.offsets[begin:end].ravel().tolist(),
                self.ends[begin:end].ravel().tolist(),
                strict=True,
            )
            for number, (offset, stop) in enumerate(extents):
                if is_apart:
                    chunk = stored[: stop - offset]
                    self._fill(chunk, offset, begin)
                else:
                    chunk = stored[offset - first : stop - first]
                try:
                    self.decoder.decode(chunk, 0, data[number * size : (number + 1) * size])
                except DamagedChunkError as error:
                    raise self._damaged(begin, number, error) from error

        return read

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
