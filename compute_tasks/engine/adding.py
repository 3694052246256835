"""Loops that add rows of stored values to cells, compiled to run without the interpreter's lock.

Rows are taken as they come out of the decompressor, shuffled or in the other byte order, and are
put together, masked and unpacked in the first cache. The loops over one row are written so that
they use the vector instructions of the processor.

All stand in one file: compiled loops are kept on disk until the file that holds them changes,
whatever happens to others that they are made of.
"""

from typing import Any, NamedTuple

import numba
import numpy as np
from numba.extending import overload

from compute_tasks.engine.compiling import kernel

DIRECT, SWAPPED, SHUFFLED, SINGLE, PACKED = 0, 1, 2, 3, 4
FLOATING, SIGNED, UNSIGNED = 0, 1, 2


class Form(NamedTuple):
    """How a number is stored, and what it means.

    Its bytes, the lowest first, are `plane` bytes from each other; those of the next number are
    `stride` bytes away. `code` is PACKED for what means `number * scale + offset`, each step
    rounded to float32 if `rounded`. For a float32 that means itself it is SINGLE, or SHUFFLED if
    its bytes are far from each other, or DIRECT if it stands in memory as numpy has it, or SWAPPED
    if it does but for the order of its bytes; the last two begin at multiples of four. `missing`
    stored numbers stand for none, besides NaN; with all but SINGLE and PACKED there is at most one.
    """

    code: int
    width: int
    plane: int
    stride: int
    kind: int
    rounded: bool
    scale: float
    offset: float
    missing: np.ndarray


class Places(NamedTuple):
    """Where the rows of a block begin in its bytes, what cells they count for, and how much.

    A block has a row for each combination of a step and an inner place. Both have starts, targets
    and lines, which are added, and weights, which are multiplied. A target is a row of cells, or
    negative for none; a line is one of `matrix`, more weights for the places in a row, unless that
    is empty. Inner places are taken in `order`, all for one step after the other if `by_step`, else
    all steps for one inner place after the other.
    """

    step_starts: np.ndarray
    step_targets: np.ndarray
    step_weights: np.ndarray
    step_lines: np.ndarray
    starts: np.ndarray
    targets: np.ndarray
    weights: np.ndarray
    lines: np.ndarray
    order: np.ndarray
    matrix: np.ndarray
    by_step: bool
    columns: int


_part = numba.njit(nogil=True)


@_part
def _put_together(data: np.ndarray, start: int, form: Form, row: np.ndarray) -> None:
    """Put a row of float32 together from its bytes, with NaN for missing ones but the first."""
    out, count = row.view(np.uint32), row.size
    if form.stride == 1:
        _unshuffle(data, start, form.plane, out)
    elif form.plane == 1:
        # Faster than assigning to a slice.
        given = data[start : start + 4 * count].view(np.uint32)
        for i in range(count):
            out[i] = given[i]
    else:
        given = data[start - 3 : start - 3 + 4 * count].view(np.uint32)
        for i in range(count):
            row[i] = _number(given[i])
    for number in range(1, form.missing.size):
        absent = np.float32(form.missing[number])
        for i in range(count):
            row[i] = np.float32(np.nan) if row[i] == absent else row[i]


@_part
def _unshuffle(data: np.ndarray, start: int, plane: int, out: np.ndarray) -> None:
    count = out.size
    first = data[start : start + count]
    second = data[start + plane : start + plane + count]
    third = data[start + 2 * plane : start + 2 * plane + count]
    last = data[start + 3 * plane : start + 3 * plane + count]
    for i in range(count):
        out[i] = (
            np.uint32(first[i])
            | (np.uint32(second[i]) << np.uint32(8))
            | (np.uint32(third[i]) << np.uint32(16))
            | (np.uint32(last[i]) << np.uint32(24))
        )


def _number(value: Any) -> Any:
    """Return the number that an element of a row is: words are float32 with their bytes swapped."""
    raise NotImplementedError("for compiled loops only")


@overload(_number)
def _number_of(value: Any) -> Any:
    return _itself if isinstance(value, numba.types.Float) else _swapped


def _itself(value: Any) -> Any:
    return value


def _swapped(value: Any) -> Any:
    low = (value >> np.uint32(24)) | ((value >> np.uint32(8)) & np.uint32(0xFF00))
    high = (value & np.uint32(0xFF00)) << np.uint32(8)
    return np.uint32(low | high | (value << np.uint32(24))).view(np.float32)


@_part
def _unpack(data: np.ndarray, start: int, form: Form, out: np.ndarray) -> None:
    """Put a row of any type together as float64: unpacked, NaN where missing."""
    raw, count = out.view(np.uint64), out.size
    if form.stride == 1:
        raw[:] = 0
        for byte in range(form.width):
            shift, begin = np.uint64(8 * byte), start + byte * form.plane
            plane = data[begin : begin + count]
            for i in range(count):
                raw[i] |= np.uint64(plane[i]) << shift
    else:
        begin = start if form.plane == 1 else start - form.width + 1
        _take_plain(data[begin : begin + form.width * count], form.width, raw)
        if form.plane != 1:
            _swap(raw, form.width)
    _read_numbers(form, out)
    for absent in form.missing:
        for i in range(count):
            out[i] = np.nan if out[i] == absent else out[i]
    if form.rounded:
        for i in range(count):
            scaled = np.float32(np.float64(np.float32(out[i])) * form.scale)
            out[i] = np.float32(np.float64(scaled) + form.offset)
    else:
        for i in range(count):
            out[i] = out[i] * form.scale + form.offset


@_part
def _take_plain(data: np.ndarray, width: int, raw: np.ndarray) -> None:
    """Copy the bits of numbers that stand one after the other."""
    if width == 8:
        raw[:] = data.view(np.uint64)
    elif width == 4:
        raw[:] = data.view(np.uint32)
    elif width == 2:
        raw[:] = data.view(np.uint16)
    else:
        raw[:] = data


@_part
def _swap(raw: np.ndarray, width: int) -> None:
    """Put the lowest bytes into the other order."""
    for i in range(raw.size):
        given, swapped = raw[i], np.uint64(0)
        for _ in range(width):
            swapped = (swapped << np.uint64(8)) | (given & np.uint64(0xFF))
            given >>= np.uint64(8)
        raw[i] = swapped


@_part
def _read_numbers(form: Form, row: np.ndarray) -> None:
    """Replace the bits in a row by the numbers they are."""
    raw = row.view(np.uint64)
    if form.kind == UNSIGNED:
        for i in range(row.size):
            row[i] = np.float64(raw[i])
    elif form.kind == SIGNED:
        sign = np.int64(1) << np.int64(8 * form.width - 1)
        for i in range(row.size):
            row[i] = np.float64((np.int64(raw[i]) ^ sign) - sign)
    elif form.width == 4:
        for i in range(row.size):
            row[i] = np.float64(np.uint32(raw[i]).view(np.float32))


@_part
def _absent(form: Form) -> np.float32:
    """Return the value for missing that rows of float32 still have."""
    return np.float32(form.missing[0]) if form.missing.size else np.float32(np.nan)


@kernel
def add_sums(
    data: np.ndarray,
    form: Form,
    places: Places,
    total: np.ndarray,
    weight: np.ndarray,
    whole: np.ndarray,
) -> None:
    """Add the rows, times their weights, to those of `total`; likewise the weights.

    Where cells have one column, the columns of rows are added up. The weight of rows without gaps
    goes to `whole` alone, which has one number for all columns.
    """
    count, order, matrix, by_step = places.columns, places.order, places.matrix, places.by_step
    step_starts, step_targets, step_lines = (
        places.step_starts,
        places.step_targets,
        places.step_lines,
    )
    starts, targets, lines = places.starts, places.targets, places.lines
    step_weights, weights = places.step_weights, places.weights
    code, absent, nothing = form.code, _absent(form), np.float64(np.nan)
    memory = data.view(np.float32) if code == DIRECT else np.empty(0, np.float32)
    words = data.view(np.uint32) if code == SWAPPED else np.empty(0, np.uint32)
    singles, doubles = np.empty(count, np.float32), np.empty(count)
    bits, plane = singles.view(np.uint32), form.plane
    collapsed, last, gaps = total.shape[1] < count, -1, np.int32(0)
    sums, norms = np.zeros((1, count)), np.zeros((1, count))
    totals, loads = (sums, norms) if collapsed else (total, weight)
    for a in range(len(step_starts) if by_step else len(order)):
        for b in range(len(order) if by_step else len(step_starts)):
            step, inner = (a, order[b]) if by_step else (b, order[a])
            target = step_targets[step] + targets[inner]
            if target < 0:
                continue
            if collapsed and target != last:
                _flush(last, sums, norms, total, weight)
                last = target
            start, share = step_starts[step] + starts[inner], step_weights[step] * weights[inner]
            cells = 0 if collapsed else target
            if matrix.size:
                if code == PACKED:
                    _unpack(data, start, form, doubles)
                else:
                    _put_together(data, start, form, singles)
                    _widen(singles, absent, doubles)
                line = matrix[step_lines[step] + lines[inner]]
                _add_times(doubles, share, line, totals[cells], loads[cells])
                continue
            if code == DIRECT:
                row = memory[start // 4 : start // 4 + count]
                gaps = _add(row, absent, share, totals, loads, cells, collapsed)
            elif code == SWAPPED:
                turned = words[start // 4 : start // 4 + count]
                gaps = _add(turned, absent, share, totals, loads, cells, collapsed)
            elif code != PACKED:
                if code == SHUFFLED:
                    _unshuffle(data, start, plane, bits)
                else:
                    _put_together(data, start, form, singles)
                gaps = _add(singles, absent, share, totals, loads, cells, collapsed)
            else:
                _unpack(data, start, form, doubles)
                gaps = _add(doubles, nothing, share, totals, loads, cells, collapsed)
            if collapsed:
                whole[target] += share * (count - gaps)
            elif gaps == 0:
                whole[target] += share
    if collapsed:
        _flush(last, sums, norms, total, weight)


@_part
def _widen(row: np.ndarray, absent: np.float32, out: np.ndarray) -> None:
    for i in range(row.size):
        out[i] = np.nan if row[i] == absent else np.float64(row[i])


@_part
def _add(
    row: np.ndarray,
    absent: Any,
    share: float,
    total: np.ndarray,
    weight: np.ndarray,
    cells: int,
    collapsed: bool,
) -> np.int32:
    """Add a row times its weight to a row of cells; return how many of its values are missing."""
    gaps, sums = np.int32(0), total[cells]
    for i in range(row.size):
        value = _number(row[i])
        there = (value == value) & (value != absent)
        sums[i] += share * np.float64(value) if there else 0.0
        gaps += np.int32(0) if there else np.int32(1)
    if gaps > 0 and not collapsed:
        _add_norms(row, absent, share, weight[cells])
    return gaps


@_part
def _add_norms(row: np.ndarray, absent: Any, share: float, norms: np.ndarray) -> None:
    for i in range(row.size):
        value = _number(row[i])
        norms[i] += share if (value == value) & (value != absent) else 0.0


@_part
def _add_times(
    row: np.ndarray, share: float, line: np.ndarray, sums: np.ndarray, norms: np.ndarray
) -> None:
    for i in range(row.size):
        value, own = row[i], share * line[i]
        sums[i] += own * value if value == value else 0.0
        norms[i] += own if value == value else 0.0


@_part
def _flush(
    target: int, sums: np.ndarray, norms: np.ndarray, total: np.ndarray, weight: np.ndarray
) -> None:
    """Add up the columns into one cell, and empty them."""
    if target >= 0:
        load = level = 0.0
        for i in range(sums.shape[1]):
            load += sums[0, i]
            level += norms[0, i]
        total[target, 0] += load
        weight[target, 0] += level
        sums[:] = 0
        norms[:] = 0


@kernel
def add_extremes(
    data: np.ndarray, form: Form, places: Places, lowest: bool, best: np.ndarray
) -> None:
    """Keep the lowest or highest of each column in the rows of `best`; NaN where there is none.

    Where cells have one column, that of all columns.
    """
    count, order, by_step = places.columns, places.order, places.by_step
    step_starts, step_targets = places.step_starts, places.step_targets
    starts, targets = places.starts, places.targets
    code, absent, nothing = form.code, _absent(form), np.float64(np.nan)
    memory = data.view(np.float32) if code == DIRECT else np.empty(0, np.float32)
    words = data.view(np.uint32) if code == SWAPPED else np.empty(0, np.uint32)
    singles, doubles = np.empty(count, np.float32), np.empty(count)
    bits, plane = singles.view(np.uint32), form.plane
    collapsed, last, found = best.shape[1] < count, -1, np.full((1, count), np.nan)
    table = found if collapsed else best
    for a in range(len(step_starts) if by_step else len(order)):
        for b in range(len(order) if by_step else len(step_starts)):
            step, inner = (a, order[b]) if by_step else (b, order[a])
            target = step_targets[step] + targets[inner]
            if target < 0:
                continue
            if collapsed and target != last:
                _flush_best(last, found, lowest, best)
                last = target
            start, cells = step_starts[step] + starts[inner], 0 if collapsed else target
            if code == DIRECT:
                row = memory[start // 4 : start // 4 + count]
                _keep(row, absent, lowest, table, cells)
            elif code == SWAPPED:
                turned = words[start // 4 : start // 4 + count]
                _keep(turned, absent, lowest, table, cells)
            elif code != PACKED:
                if code == SHUFFLED:
                    _unshuffle(data, start, plane, bits)
                else:
                    _put_together(data, start, form, singles)
                _keep(singles, absent, lowest, table, cells)
            else:
                _unpack(data, start, form, doubles)
                _keep(doubles, nothing, lowest, table, cells)
    if collapsed:
        _flush_best(last, found, lowest, best)


@_part
def _keep(row: np.ndarray, absent: Any, lowest: bool, table: np.ndarray, cells: int) -> None:
    best = table[cells]
    if lowest:
        for i in range(row.size):
            value, old = _number(row[i]), best[i]
            better = (np.float64(value) < old) | (old != old)
            best[i] = np.float64(value) if better & (value != absent) else old
    else:
        for i in range(row.size):
            value, old = _number(row[i]), best[i]
            better = (np.float64(value) > old) | (old != old)
            best[i] = np.float64(value) if better & (value != absent) else old


@_part
def _flush_best(target: int, found: np.ndarray, lowest: bool, best: np.ndarray) -> None:
    """Keep the best of all columns in one cell, and empty them."""
    if target >= 0:
        for i in range(found.shape[1]):
            _keep(found[0, i : i + 1], np.float64(np.nan), lowest, best, target)
        found[:] = np.nan


@kernel
def add_moments(
    data: np.ndarray,
    form: Form,
    places: Places,
    shift: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    counts: np.ndarray,
    whole: np.ndarray,
    open_rows: np.ndarray,
) -> None:
    """Add the distances from `shift`, and their squares, and count the values.

    The shift of a cell is its first finite value; `open_rows` are those with cells that had none.
    Where cells have one column, the columns of rows are added up. Rows without gaps are counted in
    `whole` alone, which has one number for all columns.
    """
    count, order, by_step = places.columns, places.order, places.by_step
    step_starts, step_targets = places.step_starts, places.step_targets
    starts, targets = places.starts, places.targets
    code, absent, nothing = form.code, _absent(form), np.float64(np.nan)
    memory = data.view(np.float32) if code == DIRECT else np.empty(0, np.float32)
    words = data.view(np.uint32) if code == SWAPPED else np.empty(0, np.uint32)
    singles, doubles = np.empty(count, np.float32), np.empty(count)
    bits, plane = singles.view(np.uint32), form.plane
    collapsed, last, gaps = first.shape[1] < count, -1, np.int32(0)
    ones, squares, level = np.zeros((1, count)), np.zeros((1, count)), np.zeros((1, count))
    bases, distances, powers = (level, ones, squares) if collapsed else (shift, first, second)
    for a in range(len(step_starts) if by_step else len(order)):
        for b in range(len(order) if by_step else len(step_starts)):
            step, inner = (a, order[b]) if by_step else (b, order[a])
            target = step_targets[step] + targets[inner]
            if target < 0:
                continue
            if collapsed and target != last:
                _flush(last, ones, squares, first, second)
                last = target
                level[:] = shift[target, 0]
            start, cells = step_starts[step] + starts[inner], 0 if collapsed else target
            if code == DIRECT:
                row = memory[start // 4 : start // 4 + count]
                if open_rows[target]:
                    _begin(row, absent, shift, level, open_rows, target, collapsed)
                gaps = _add_squares(row, absent, bases, distances, powers, cells)
                if gaps > 0 and not collapsed:
                    _add_norms(row, absent, 1.0, counts[target])
            elif code == SWAPPED:
                turned = words[start // 4 : start // 4 + count]
                if open_rows[target]:
                    _begin(turned, absent, shift, level, open_rows, target, collapsed)
                gaps = _add_squares(turned, absent, bases, distances, powers, cells)
                if gaps > 0 and not collapsed:
                    _add_norms(turned, absent, 1.0, counts[target])
            elif code != PACKED:
                if code == SHUFFLED:
                    _unshuffle(data, start, plane, bits)
                else:
                    _put_together(data, start, form, singles)
                if open_rows[target]:
                    _begin(singles, absent, shift, level, open_rows, target, collapsed)
                gaps = _add_squares(singles, absent, bases, distances, powers, cells)
                if gaps > 0 and not collapsed:
                    _add_norms(singles, absent, 1.0, counts[target])
            else:
                _unpack(data, start, form, doubles)
                if open_rows[target]:
                    _begin(doubles, nothing, shift, level, open_rows, target, collapsed)
                gaps = _add_squares(doubles, nothing, bases, distances, powers, cells)
                if gaps > 0 and not collapsed:
                    _add_norms(doubles, nothing, 1.0, counts[target])
            if collapsed:
                whole[target] += count - gaps
            elif gaps == 0:
                whole[target] += 1
    if collapsed:
        _flush(last, ones, squares, first, second)


@_part
def _begin(
    row: np.ndarray,
    absent: Any,
    shift: np.ndarray,
    level: np.ndarray,
    open_rows: np.ndarray,
    target: int,
    collapsed: bool,
) -> None:
    """Take the values of a row as shifts of cells that have none."""
    cells, left = shift[target], False
    for i in range(row.size):
        value, cell = _number(row[i]), 0 if collapsed else i
        if cells[cell] != cells[cell]:
            if value - value == 0 and value != absent:
                cells[cell] = value
            else:
                left = True
    open_rows[target] = left and (not collapsed or cells[0] != cells[0])
    if collapsed:
        level[:] = cells[0]


@_part
def _add_squares(
    row: np.ndarray,
    absent: Any,
    base: np.ndarray,
    first: np.ndarray,
    second: np.ndarray,
    cells: int,
) -> np.int32:
    """Add distances and their squares; return how many of the values are missing."""
    shifts, ones, squares = base[cells], first[cells], second[cells]
    gaps = np.int32(0)
    for i in range(row.size):
        value = _number(row[i])
        there = (value == value) & (value != absent)
        distance = np.float64(value) - shifts[i] if there else 0.0
        ones[i] += distance
        squares[i] += distance * distance
        gaps += np.int32(0) if there else np.int32(1)
    return gaps
