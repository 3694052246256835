"""Products of weights with fields, compiled to run without the interpreter's lock.

Sums are in double precision. Missing values (NaN) are left out and the other weights scaled up;
where valid values weigh less than `least` together, the result is missing.
"""

import numba
import numpy as np

from compute_tasks.engine.compiling import kernel

_inner = numba.njit(nogil=True)
ROUNDING = 1e-13
"""By how much weights that are one together may differ from it."""


@kernel
def by_points(
    fields: np.ndarray,
    starts: np.ndarray,
    columns: np.ndarray,
    weights: np.ndarray,
    least: float,
    out: np.ndarray,
) -> None:
    """Put fields (steps, source cells) times a matrix by rows into `out` (steps, target cells)."""
    for step in range(fields.shape[0]):
        for target in range(out.shape[1]):
            total, weight = 0.0, 0.0
            for n in range(starts[target], starts[target + 1]):
                value = fields[step, columns[n]]
                if value == value:
                    total += weights[n] * value
                    weight += weights[n]
            out[step, target] = total / weight if weight >= least else np.nan


@kernel
def by_axes(
    fields: np.ndarray,
    row_starts: np.ndarray,
    rows: np.ndarray,
    row_weights: np.ndarray,
    columns: np.ndarray,
    column_weights: np.ndarray,
    least: float,
    out: np.ndarray,
) -> None:
    """Put fields (steps, rows, columns) times weights of both axes into `out`, shaped likewise.

    Those of rows are a matrix by rows; `columns` and `column_weights` (n, target columns) have n
    source columns for each target column; where there are fewer, one beyond the last.
    """
    sums, counts = np.zeros(fields.shape[2] + 1), np.ones(fields.shape[2] + 1)
    line, weights = np.empty(out.shape[2]), np.empty(out.shape[2])
    _across(counts, columns, column_weights, weights)
    covered = _all_one(weights)
    for step in range(fields.shape[0]):
        complete = _is_finite(fields[step])
        for target in range(out.shape[1]):
            first, end = row_starts[target], row_starts[target + 1]
            if not complete:
                _add_valid(fields[step], rows[first:end], row_weights[first:end], sums, counts)
                _across(counts, columns, column_weights, weights)
                _across(sums, columns, column_weights, line)
                _divide(line, weights, 1.0, least, out[step, target])
                continue
            total = _add(fields[step], rows[first:end], row_weights[first:end], sums)
            _across(sums, columns, column_weights, line)
            if covered and abs(total - 1.0) < ROUNDING:
                out[step, target] = line
            else:
                _divide(line, weights, total, least, out[step, target])
        if not complete:
            counts[:] = 1.0
            _across(counts, columns, column_weights, weights)


@_inner
def _add(field: np.ndarray, rows: np.ndarray, weights: np.ndarray, sums: np.ndarray) -> float:
    """Put the weighted sum of rows into `sums` and return the sum of the weights."""
    total = 0.0
    sums[:] = 0.0
    for n in range(rows.size):
        row, weight = field[rows[n]], weights[n]
        total += weight
        for i in range(row.size):
            sums[i] += weight * np.float64(row[i])
    return total


@_inner
def _add_valid(
    field: np.ndarray, rows: np.ndarray, weights: np.ndarray, sums: np.ndarray, counts: np.ndarray
) -> None:
    """Put the weighted sum of the valid values of rows into `sums`, their weights in `counts`."""
    sums[:] = 0.0
    counts[:] = 0.0
    for n in range(rows.size):
        row, weight = field[rows[n]], weights[n]
        for i in range(row.size):
            there = row[i] == row[i]
            sums[i] += weight * np.float64(row[i]) if there else 0.0
            counts[i] += weight if there else 0.0


@_inner
def _across(values: np.ndarray, columns: np.ndarray, weights: np.ndarray, line: np.ndarray) -> None:
    """Put the weighted sums of the columns of one row into `line`."""
    for i in range(line.size):
        line[i] = weights[0, i] * values[columns[0, i]]
    for n in range(1, columns.shape[0]):
        for i in range(line.size):
            line[i] += weights[n, i] * values[columns[n, i]]


@_inner
def _divide(
    line: np.ndarray, weights: np.ndarray, weight: float, least: float, out: np.ndarray
) -> None:
    for i in range(line.size):
        total = weights[i] * weight
        out[i] = line[i] / total if total >= least else np.nan


@_inner
def _all_one(weights: np.ndarray) -> bool:
    apart = 0.0
    for i in range(weights.size):
        apart = max(apart, abs(weights[i] - 1.0))
    return apart < ROUNDING


@_inner
def _is_finite(field: np.ndarray) -> bool:
    wrong = False
    for row in field:
        for i in range(row.size):
            # Zero in the precision of the row, unless it is infinite or NaN.
            apart = row[i] - row[i]
            wrong |= apart != apart
    return not wrong
