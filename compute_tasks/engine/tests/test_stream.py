"""Streamed reductions give what numpy gives, whatever the files, threads and missing values."""

import itertools
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from compute_tasks.engine import blocks, layout, recurring
from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.budget import MemoryNeeded
from compute_tasks.engine.expression import Mapwise, Pointwise, Stored, Taken
from compute_tasks.engine.index import index_file
from compute_tasks.engine.layout import DamagedFileError
from compute_tasks.engine.node_units import units_of
from compute_tasks.engine.reduction import STATISTICS, Reduction, Source
from compute_tasks.engine.stream import memory, reduce
from compute_tasks.engine.tests.files import File
from compute_tasks.tests.seeded import one_of, seeded, some_of

FILL = -999.0
NUMBERS = itertools.count()
NUMPY: dict[str, Any] = {
    "count": lambda values, axis: np.isfinite(values).sum(axis),
    "min": np.nanmin,
    "max": np.nanmax,
    "var": np.nanvar,
    "std": np.nanstd,
}
pytestmark = pytest.mark.filterwarnings("ignore:(Mean of empty|All-NaN|Degrees of freedom)")


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make even small files be cut into many units, tiles and blocks."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 256)
    monkeypatch.setattr(layout, "PIECE_BYTES", 128)
    monkeypatch.setattr("compute_tasks.engine.bytes.SPAN_BYTES", 32)
    monkeypatch.setattr(blocks, "UNIT_BYTES", 1024)
    monkeypatch.setattr(blocks, "TILE_BYTES", 512)
    monkeypatch.setattr(blocks, "MOST_BYTES", 2048)
    monkeypatch.setattr(recurring, "RUN_BYTES", 512)
    monkeypatch.setattr(blocks, "WIDE", 4)


def piece(
    path: Path, ranges: tuple[range, ...] | None = None, origin: tuple[int, ...] | None = None
) -> Piece:
    index = index_file(path)
    variable = index.variables["v"]
    zero = (0,) * len(variable.shape)
    everything = tuple(map(range, variable.shape))
    return Piece(index.identity, variable, ranges or everything, origin or zero)


def boxes(path: Path, ranges: tuple[Any, ...], first: int, cut: int) -> Iterator[Piece]:
    """Yield the selection as two boxes along its last dimension, the whole array's from `first`."""
    origin = (first,) + (0,) * (len(ranges) - 1)
    if len(ranges) == 1 or not 0 < cut < len(ranges[-1]):
        yield piece(path, ranges, origin)
        return
    yield piece(path, (*ranges[:-1], ranges[-1][cut:]), (*origin[:-1], cut))
    yield piece(path, (*ranges[:-1], ranges[-1][:cut]), origin)


def written(folder: Path, values: np.ndarray, chunks: tuple[int, ...] | None) -> Path:
    """Write values, NaN as the fill value: deflated, in one run (None) or in records (())."""
    storage: dict[str, Any] = {"fill_value": FILL}
    file = File("NETCDF4", values.shape, values.dtype.str[1:], storage=storage)
    if chunks == ():
        file.format, file.unlimited, file.companion = "NETCDF3_64BIT_OFFSET", True, True
    elif values.dtype.byteorder == ">":
        storage["endian"] = "big"
    if chunks:
        storage |= {"compression": "zlib", "shuffle": True, "chunksizes": chunks}
    path = folder / f"{next(NUMBERS)}.nc"
    return file.write(path, np.where(np.isnan(values), values.dtype.type(FILL), values))


Inputs = tuple[list[np.ndarray], list[tuple[int, ...] | None]]


def some_inputs(random: np.random.Generator) -> Inputs:
    """Return the values of one to three files that follow on each other, and their chunks."""
    inner = tuple(random.integers(1, 10, random.integers(4)).tolist())
    dtype, share = (
        one_of(random, ["<f4", ">f4", "<f8", ">f8"]),
        one_of(random, [0, 0.02, 0.3, 0.95]),
    )
    arrays, chunks = [], []
    for length in random.integers(1, 26, random.integers(1, 4)).tolist():
        values = random.normal(280, 10, (length, *inner)).astype(dtype)
        arrays.append(np.where(random.random(values.shape) < share, np.nan, values).astype(dtype))
        own = tuple(int(random.integers(1, count + 1)) for count in (length, *inner))
        chunks.append(one_of(random, [own, own, own, None, ()]))
    return arrays, chunks


def inputs() -> st.SearchStrategy[Inputs]:
    return seeded(some_inputs)


def some_ranges(random: np.random.Generator, shape: tuple[int, ...]) -> tuple[range, ...]:
    """Return places along each dimension: all, or every so many of some."""
    result = []
    for length in shape:
        begin = int(random.integers(length))
        end, step = int(random.integers(begin, length)) + 1, int(random.integers(1, 4))
        result.append(range(length) if random.random() < 0.5 else range(begin, end, step))
    return tuple(result)


def some_reduction(random: np.random.Generator, shape: tuple[int, ...]) -> Reduction:
    """Return a statistic over some dimensions, perhaps weighted or grouped."""
    statistic, numbers = one_of(random, STATISTICS), range(len(shape))
    axes = frozenset(some_of(random, numbers))
    weights: dict[int | tuple[int, ...], np.ndarray] = {}
    if statistic in ("sum", "mean"):
        for axis in axes:
            if random.random() < 0.4:
                apart = random.random(one_of(random, [(1,), (shape[axis],)]))
                weights[axis] = np.resize(apart, shape[axis])
        several = tuple(sorted(some_of(random, numbers)))
        if len(several) > 1 and random.random() < 0.4:
            weights[several] = random.random([shape[axis] for axis in several])
    least = int(random.integers(2 if weights else 4)) if statistic == "sum" else 0
    if random.random() < 0.5:
        return Reduction(statistic, axes, weights, min_count=least)
    grouped = one_of(random, sorted(axes))
    labels = random.integers(-1, 3, shape[grouped])
    return Reduction(statistic, axes, weights, grouped, labels, 3, least)


def expected(values: np.ndarray, reduction: Reduction) -> np.ndarray:
    """Compute the reduction in memory, group by group."""
    weights = np.ones(values.shape)
    for axes, weight in reduction.factors():
        lengths = [weight.shape[axes.index(a)] if a in axes else 1 for a in range(values.ndim)]
        weights *= weight.reshape(lengths)
    if reduction.grouped is None:
        return plain(values, weights, reduction)
    axis, cells = reduction.grouped, []
    for group in range(reduction.groups):
        [members] = np.nonzero(reduction.labels == group)
        cells.append(plain(values.take(members, axis), weights.take(members, axis), reduction))
    kept = [a for a in range(values.ndim) if a == axis or a not in reduction.axes]
    return np.stack(cells, kept.index(axis))


def plain(values: np.ndarray, weights: np.ndarray, reduction: Reduction) -> np.ndarray:
    axes, statistic = tuple(reduction.axes), reduction.statistic
    if statistic in ("sum", "mean"):
        there = ~np.isnan(values)
        norm = (weights * there).sum(axes)
        total = np.nansum(values.astype("f8") * weights, axis=axes)
        enough = norm > 0 if reduction.weights else norm >= reduction.min_count
        with np.errstate(invalid="ignore", divide="ignore"):
            found = total / norm if statistic == "mean" else total
        return np.where(enough | (reduction.min_count == 0), found, np.nan)
    if not values.size:
        shape = tuple(n for axis, n in enumerate(values.shape) if axis not in axes)
        return np.full(shape, 0 if statistic == "count" else np.nan)
    if statistic in ("min", "max"):
        return np.asarray(NUMPY[statistic](values, axis=axes))
    return np.asarray(NUMPY[statistic](values.astype("f8"), axis=axes))


@settings(
    max_examples=120,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(given_input=inputs(), seed=st.integers(0, 2**63 - 1))
def test_any_reduction_of_any_files_is_that_of_numpy_in_any_number_of_threads(
    tmp_path: Path, given_input: Inputs, seed: int
) -> None:
    arrays, chunks = given_input
    random = np.random.default_rng(seed)
    ranges = some_ranges(random, arrays[0].shape[1:])
    paths = [written(tmp_path, *both) for both in zip(arrays, chunks, strict=True)]
    # A chunk at the edge that is deflated to its own size is left to the library.
    assume(all("v" in index_file(path).variables for path in paths))
    cut = int(random.integers(6))
    starts = itertools.accumulate(map(len, arrays), initial=0)
    pieces = tuple(
        box
        for path, values, first in zip(paths, arrays, starts, strict=False)
        for box in boxes(path, (range(len(values)), *ranges), first, cut)
    )
    missing = one_of(random, [(FILL,), (1e20, FILL, -1.0)])
    source = Source(pieces, arrays[0].dtype.newbyteorder("="), missing)
    whole = np.concatenate(arrays).astype(source.dtype)
    for axis, one in enumerate(ranges, start=1):
        whole = whole.take(list(one), axis)
    assert source.shape == whole.shape
    reduction = some_reduction(random, whole.shape)
    first, *others = [reduce(source, reduction, threads=threads) for threads in (1, 2, 8)]
    wanted = expected(whole, reduction)
    assert first.shape == wanted.shape
    np.testing.assert_allclose(first, wanted, rtol=1e-12, atol=1e-9)
    assert all(other.tobytes() == first.tobytes() for other in others)
    allowed = memory(source, reduction, threads=1) * 3 // 4
    try:
        tight = reduce(source, reduction, threads=2, memory_bytes=allowed)
    except MemoryNeeded as refusal:
        assert refusal.needed > refusal.allowed == allowed
    else:
        assert tight.tobytes() == first.tobytes()


@pytest.mark.parametrize("statistic", STATISTICS)
@pytest.mark.parametrize("gap", [None, (3, 1, 2), (3, 1, 9)])
def test_rows_in_several_tiles_count_once_for_each_of_their_cells(
    tmp_path: Path, statistic: str, gap: tuple[int, ...] | None
) -> None:
    values = np.random.default_rng(0).normal(280, 10, (40, 3, 12)).astype("f4")
    if gap:
        values[gap] = np.nan
    source = Source((piece(written(tmp_path, values, (1, 3, 4))),), values.dtype, (FILL,))
    reduction = Reduction(statistic, frozenset({0}))
    found = reduce(source, reduction, threads=2)
    np.testing.assert_allclose(found, expected(values, reduction), rtol=1e-12, atol=1e-9)


def test_packed_values_are_unpacked_first(tmp_path: Path) -> None:
    stored = np.array([[1, 2, -999], [3, 4, 5]], "i2")
    path = File("NETCDF3_CLASSIC", (2, 3), "i2").write(tmp_path / "v.nc", stored)
    source = Source((piece(path),), np.dtype("f4"), (FILL,), scale=0.5, offset=10.0)
    mean = reduce(source, Reduction("mean", frozenset({0})), threads=2)
    np.testing.assert_array_equal(mean, [11.0, 11.5, 12.5])


@pytest.mark.parametrize(
    "kind", ["i1", "u1", "i2", ">i2", "u2", "i4", ">i4", "u4", "f4", ">f4", "f8"]
)
@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("scale", [0.1, np.float64(0.1), np.float32(0.1)])
@pytest.mark.parametrize("chunks", [(2, 9, 70), None])
def test_unpacking_rounds_as_numpy_does(
    tmp_path: Path, kind: str, dtype: str, scale: float, chunks: tuple[int, ...] | None
) -> None:
    stored = np.random.default_rng(0).integers(0, 127, (4, 9, 70)).astype(kind)
    storage: dict[str, Any] = {"endian": "big"} if kind.startswith(">") else {}
    if chunks:
        storage |= {"compression": "zlib", "shuffle": True, "chunksizes": chunks}
    path = File("NETCDF4", stored.shape, kind, storage=storage).write(tmp_path / "v.nc", stored)
    source = Source((piece(path),), np.dtype(dtype), (5.0, 7.0), scale, np.float64(273.15))
    values = stored.astype(dtype)
    values *= scale
    values += np.float64(273.15)
    values[(stored == 5) | (stored == 7)] = np.nan
    found = reduce(source, Reduction("max", frozenset({0})), threads=1)
    np.testing.assert_array_equal(found, np.nanmax(values, 0))


def test_variance_is_stable_far_from_zero(tmp_path: Path) -> None:
    values = (1e9 + np.random.default_rng(0).normal(0, 1e-3, (400, 3))).astype("f8")
    source = Source((piece(written(tmp_path, values, (1, 3))),), values.dtype, (FILL,))
    found = reduce(source, Reduction("var", frozenset({0})), threads=2)
    np.testing.assert_allclose(found, values.var(0), rtol=1e-4)


def test_extremes_keep_the_type_of_the_data(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((9, 4), "f4")
    source = Source((piece(written(tmp_path, values, (2, 4))),), values.dtype, (FILL,))
    found = reduce(source, Reduction("max", frozenset({0, 1})), threads=2)
    assert found.dtype == np.dtype("f4")
    assert found == values.max()


def test_every_chunk_is_read_once(tmp_path: Path, offsets_read: list[int]) -> None:
    values = np.random.default_rng(0).random((40, 7, 9))
    one = piece(written(tmp_path, values, (40, 2, 3)))
    reduce(Source((one,), values.dtype), Reduction("mean", frozenset({0})), threads=2)
    assert sorted(offsets_read) == sorted(one.variable.offsets.ravel().tolist())


@pytest.mark.parametrize(("between", "together"), [(3, True), (1 << 17, False)])
def test_records_are_read_with_what_is_between_them_unless_that_is_much(
    tmp_path: Path, offsets_read: list[int], between: int, together: bool
) -> None:
    values = np.random.default_rng(0).random((20, 6), "f4")
    path = tmp_path / "records.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as dataset:
        for name, length in {"time": None, "x": 6, "y": between}.items():
            dataset.createDimension(name, length)
        dataset.createVariable("w", "i1", ("time", "y"))
        dataset.createVariable("v", "f4", ("time", "x"))[:] = values
    source = Source((piece(path),), values.dtype)
    offsets_read.clear()
    found = reduce(source, Reduction("max", frozenset({1})), threads=1)
    np.testing.assert_array_equal(found, values.max(1))
    assert (len(offsets_read) < 20) == together


def test_chunks_a_broken_number_of_values_apart_are_read_one_by_one(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((9, 5), "f4")
    with h5py.File(tmp_path / "odd.nc", "w") as file:
        wanted = file.create_dataset("v", values.shape, "f4", chunks=(1, 5))
        other = file.create_dataset("w", (9, 3), "u1", chunks=(1, 3))
        for step, row in enumerate(values):
            wanted.id.write_direct_chunk((step, 0), row.tobytes())
            other.id.write_direct_chunk((step, 0), b"abc")
    one = piece(tmp_path / "odd.nc")
    assert np.diff(one.variable.offsets.ravel()).min() == 4 * 5 + 3
    for axis in (0, 1):
        found = reduce(Source((one,), values.dtype), Reduction("max", frozenset({axis})), threads=1)
        np.testing.assert_array_equal(found, values.max(axis))


def test_progress_rises_to_all_and_can_stop_the_work(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((200, 30))
    source = Source((piece(written(tmp_path, values, (1, 30))),), values.dtype)
    shares: list[float] = []
    reduce(source, Reduction("mean", frozenset({1})), threads=2, report=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1

    def stop(share: float) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        reduce(source, Reduction("mean", frozenset({1})), threads=2, report=stop)


def test_damage_is_an_error(tmp_path: Path) -> None:
    path = written(tmp_path, np.random.default_rng(0).random((20, 30)), (1, 30))
    place = int(piece(path).variable.offsets[10, 0])
    content = path.read_bytes()
    path.write_bytes(content[:place] + b"damage" + content[place + 6 :])
    source = Source((piece(path),), np.dtype("f8"))
    with pytest.raises(DamagedFileError, match="chunk"):
        reduce(source, Reduction("mean", frozenset({0})), threads=2)


@pytest.mark.parametrize(
    ("reduction", "reason"),
    [
        (Reduction("median", frozenset({0})), "'median' is not one of"),
        (Reduction("max", frozenset({0}), {0: np.ones(3)}), "no weights"),
        (Reduction("sum", frozenset({0}), {0: np.ones(4)}), r"shape \(4,\) for .* \(3,\)"),
    ],
)
def test_what_cannot_be_streamed_is_refused(
    tmp_path: Path, reduction: Reduction, reason: str
) -> None:
    source = Source((piece(written(tmp_path, np.ones((3, 3)), None)),), np.dtype("f8"))
    with pytest.raises(ValueError, match=reason):
        reduce(source, reduction, threads=1)


def test_the_memory_said_to_be_needed_does_not_grow_with_the_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    path = written(tmp_path, np.ones((300, 50, 60), "f4"), (1, 50, 60))
    parts = tuple(piece(path, origin=(300 * number, 0, 0)) for number in range(100))
    long = Source(parts, np.dtype("f4"))
    short = Source(parts[:10], np.dtype("f4"))
    reduction = Reduction("mean", frozenset({0}))
    assert memory(long, reduction, threads=2) == memory(short, reduction, threads=2)
    assert memory(long, reduction, threads=2) < 10_000_000


def test_cells_that_do_not_fit_are_computed_in_several_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    values = np.random.default_rng(0).random((120, 40, 500), "f4")
    source = Source((piece(written(tmp_path, values, (1, 40, 500))),), values.dtype)
    labels = np.arange(120) % 30
    reduction = Reduction("std", frozenset({0}), {}, 0, labels, 30)
    whole = reduce(source, reduction, threads=2)
    assert memory(source, reduction, threads=2) > 25_000_000
    tracemalloc.start()
    tight = reduce(source, reduction, threads=2, memory_bytes=16_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 16_000_000
    assert tight.tobytes() == whole.tobytes()


@pytest.mark.parametrize(("steps", "count"), [(1, 3), (2, 15)])
def test_units_have_some_groups_only_where_these_recur_and_have_large_cells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, count: int
) -> None:
    values = np.random.default_rng(0).random((60, 20, 30), "f4")
    monkeypatch.setattr(blocks, "MOST_BYTES", values.nbytes)
    monkeypatch.setattr(recurring, "RUN_BYTES", 3 * 4 * values[0].nbytes)
    path = written(tmp_path, values, (steps, 20, 30))
    source = Source((piece(path, origin=(0, 0, 0)), piece(path, origin=(60, 0, 0))), values.dtype)
    labels = np.arange(120) % 15
    reduction = Reduction("mean", frozenset({0}), {}, 0, labels, 15)
    cut = list(units_of(Stored(source), reduction))
    spans = [reduction.span(unit.places) for unit in cut]
    assert {span.stop - span.start for span in spans} == {count}
    assert sum(len(unit.chunks[0]) for unit in cut) == 120 // steps
    found = [reduce(source, reduction, threads=threads) for threads in (1, 3)]
    np.testing.assert_allclose(found[0], expected(np.concatenate([values] * 2), reduction))
    assert found[0].tobytes() == found[1].tobytes()


def test_what_cannot_fit_is_refused_with_the_numbers(tmp_path: Path) -> None:
    source = Source((piece(written(tmp_path, np.ones((60, 40)), (60, 40))),), np.dtype("f8"))
    with pytest.raises(MemoryNeeded, match=r"about 1 MB .* more than the 1 MB") as refusal:
        reduce(source, Reduction("mean", frozenset({0})), threads=2, memory_bytes=1000)
    assert refusal.value.needed > refusal.value.allowed == 1000


@pytest.mark.parametrize("kind", ["f4", "i2"])
def test_a_large_chunk_is_held_twice_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.undo()
    values = np.random.default_rng(0).integers(0, 2**15, (40, 300, 400)).astype(kind)
    source = Source((piece(written(tmp_path, values, values.shape)),), values.dtype)
    reduction = Reduction("mean", frozenset({0, 1}))
    allowed = 2 * values.nbytes + 1_000_000
    assert memory(source, reduction, threads=1) < allowed
    reduce(source, reduction, threads=1)
    tracemalloc.start()
    found = reduce(source, reduction, threads=1, memory_bytes=allowed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < allowed
    np.testing.assert_allclose(found, values.mean((0, 1), dtype="f8"))


def test_one_giant_chunk_is_reduced(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random((300, 20, 30))
    source = Source((piece(written(tmp_path, values, values.shape)),), values.dtype)
    found = reduce(source, Reduction("mean", frozenset({0})), threads=2)
    np.testing.assert_allclose(found, values.mean(0))


def test_what_is_computed_from_files_is_reduced_like_files(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(280, 10, (50, 6, 8)).astype("f4")
    one = Stored(Source((piece(written(tmp_path, values, (3, 6, 4))),), values.dtype))
    other = Stored(Source((piece(written(tmp_path, values[::-1], (1, 6, 8))),), values.dtype))
    places = np.random.default_rng(1).integers(0, 50, 70)
    nodes: dict[Any, np.ndarray] = {
        Pointwise(np.subtract, (one, other), one.shape, one.dtype): values - values[::-1],
        Taken(one, places): values[places],
        Mapwise(halved, one, 2, (50, 3, 4), one.dtype): halved(values),
        Pointwise(np.subtract, (one, values[:1]), one.shape, one.dtype): values - values[:1],
    }
    for node, whole in nodes.items():
        for axes in ({0}, {0, 2}, {1, 2}):
            reduction = Reduction("mean", frozenset(axes))
            first, *others = [reduce(node, reduction, threads=count) for count in (1, 2, 8)]
            wanted = whole.astype("f8").mean(tuple(axes))
            np.testing.assert_allclose(first, wanted, rtol=1e-6, atol=1e-6)
            assert all(one.tobytes() == first.tobytes() for one in others)


def halved(values: np.ndarray) -> np.ndarray:
    return values[:, ::2, ::2]


def test_whole_numbers_keep_their_type_and_are_counted_exactly(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-(2**31), 2**31, (40, 5), "i4")
    path = File("NETCDF4", values.shape, "i4").write(tmp_path / "v.nc", values)
    source = Source((piece(path),), values.dtype)
    found = reduce(source, Reduction("max", frozenset({0})), threads=2)
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values.max(0))
    total = reduce(source, Reduction("sum", frozenset({0, 1})), threads=2)
    assert total == values.sum()
    count = reduce(source, Reduction("count", frozenset({0, 1})), threads=2)
    assert count == values.size


def test_chunks_without_wanted_steps_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, offsets_read: list[int]
) -> None:
    monkeypatch.setattr("compute_tasks.engine.loading.GAP_BYTES", 0)
    values = np.random.default_rng(0).random((40, 70))
    one = piece(written(tmp_path, values, (1, 70)))
    labels = np.where(np.arange(40) % 10 == 3, 0, -1)
    reduction = Reduction("mean", frozenset({0}), {}, 0, labels, 1)
    found = reduce(Source((one,), values.dtype), reduction, threads=2)
    np.testing.assert_allclose(found, values[3::10].mean(0, keepdims=True))
    assert sorted(offsets_read) == one.variable.offsets[3::10, 0].tolist()
