"""Streamed reductions give what numpy gives, whatever the files, threads and missing values."""

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from compute_tasks.engine import blocks
from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.index import index_file
from compute_tasks.engine.layout import DamagedFileError
from compute_tasks.engine.reduction import STATISTICS, Reduction, Source
from compute_tasks.engine.stream import memory, reduce
from compute_tasks.engine.tests.files import File

FILL = -999.0
NUMBERS = itertools.count()
NUMPY: dict[str, Any] = {
    "sum": np.nansum,
    "mean": np.nanmean,
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
    monkeypatch.setattr(blocks, "UNIT_BYTES", 1024)
    monkeypatch.setattr(blocks, "TILE_BYTES", 512)


def piece(path: Path, ranges: tuple[range, ...] | None = None) -> Piece:
    index = index_file(path)
    variable = index.variables["v"]
    return Piece(index.identity, variable, ranges or tuple(map(range, variable.shape)))


def written(folder: Path, values: np.ndarray, chunks: tuple[int, ...] | None) -> Path:
    """Write values, NaN as the fill value, deflated in these chunks or contiguous."""
    storage: dict[str, Any] = {"fill_value": FILL}
    if chunks:
        storage |= {"compression": "zlib", "shuffle": True, "chunksizes": chunks}
    file = File("NETCDF4", values.shape, values.dtype.str[1:], storage=storage)
    path = folder / f"{next(NUMBERS)}.nc"
    return file.write(path, np.where(np.isnan(values), values.dtype.type(FILL), values))


@st.composite
def inputs(draw: Any) -> tuple[list[np.ndarray], list[tuple[int, ...] | None]]:
    """Draw the values of one to three files that follow on each other, and their chunks."""
    inner = draw(st.lists(st.integers(1, 6), max_size=3).map(tuple))
    dtype = draw(st.sampled_from(["f4", "f8"]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    share = draw(st.sampled_from([0.0, 0.3, 0.95]))
    arrays, chunks = [], []
    for length in draw(st.lists(st.integers(1, 25), min_size=1, max_size=3)):
        values = random.normal(280, 10, (length, *inner)).astype(dtype)
        arrays.append(np.where(random.random(values.shape) < share, np.nan, values).astype(dtype))
        whole = (length, *inner)
        chunks.append(draw(st.none() | st.tuples(*[st.integers(1, count) for count in whole])))
    return arrays, chunks


@st.composite
def reductions(draw: Any, shape: tuple[int, ...]) -> Reduction:
    """Draw a statistic over some dimensions, perhaps weighted or grouped."""
    statistic = draw(st.sampled_from(STATISTICS))
    numbers = st.sets(st.integers(0, len(shape) - 1), min_size=1)
    axes = frozenset(draw(numbers))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    weights = {}
    if statistic in ("sum", "mean"):
        weights = {axis: random.random(shape[axis]) for axis in axes if draw(st.booleans())}
    streamable = [axis for axis in axes if axis < len(shape) - 1 or len(shape) == 1]
    if not streamable or draw(st.booleans()):
        return Reduction(statistic, axes, weights)
    grouped = draw(st.sampled_from(streamable))
    labels = random.integers(-1, 3, shape[grouped])
    return Reduction(statistic, axes, weights, grouped, labels, 3)


def expected(values: np.ndarray, reduction: Reduction) -> np.ndarray:
    """Compute the reduction in memory, group by group."""
    if reduction.grouped is None:
        return plain(values, reduction, reduction.weights)
    axis = reduction.grouped
    cells = []
    for group in range(reduction.groups):
        [members] = np.nonzero(reduction.labels == group)
        weights = {a: w[members] if a == axis else w for a, w in reduction.weights.items()}
        cells.append(plain(values.take(members, axis), reduction, weights))
    kept = [a for a in range(values.ndim) if a == axis or a not in reduction.axes]
    return np.stack(cells, kept.index(axis))


def plain(values: np.ndarray, reduction: Reduction, weights: Any) -> np.ndarray:
    axes = tuple(reduction.axes)
    shape = tuple(n for axis, n in enumerate(values.shape) if axis not in axes)
    if not values.size:
        nothing = {"sum": 0.0, "count": 0}.get(reduction.statistic, np.nan)
        return np.full(shape, nothing)
    if reduction.statistic in ("min", "max"):
        return np.asarray(NUMPY[reduction.statistic](values, axis=axes))
    values = values.astype("f8")
    if not weights:
        return np.asarray(NUMPY[reduction.statistic](values, axis=axes))
    product = np.ones(values.shape)
    for axis, weight in weights.items():
        product *= weight.reshape([-1 if a == axis else 1 for a in range(values.ndim)])
    product[np.isnan(values)] = 0
    total = np.nansum(values * product, axis=axes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(total if reduction.statistic == "sum" else total / product.sum(axes))


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(given_input=inputs(), chosen=st.data())
def test_any_reduction_of_any_files_is_that_of_numpy_in_any_number_of_threads(
    tmp_path: Path, given_input: Any, chosen: st.DataObject
) -> None:
    arrays, chunks = given_input
    ranges = tuple(
        range(*chosen.draw(st.slices(length)).indices(length)) for length in arrays[0].shape[1:]
    )
    ranges = tuple(one if one.step > 0 and len(one) else range(one.stop or 1) for one in ranges)
    ranges = tuple(one if one else range(1) for one in ranges)
    paths = [written(tmp_path, *both) for both in zip(arrays, chunks, strict=True)]
    # A chunk at the edge that is deflated to its own size is left to the library.
    assume(all("v" in index_file(path).variables for path in paths))
    pieces = tuple(
        piece(path, (range(len(values)), *ranges))
        for path, values in zip(paths, arrays, strict=True)
    )
    source = Source(pieces, arrays[0].dtype, (FILL,))
    whole = np.concatenate(arrays)
    for axis, one in enumerate(ranges, start=1):
        whole = whole.take(list(one), axis)
    assert source.shape == whole.shape
    reduction = chosen.draw(reductions(whole.shape))
    first, *others = [reduce(source, reduction, threads=threads) for threads in (1, 2, 8)]
    wanted = expected(whole, reduction)
    assert first.shape == wanted.shape
    np.testing.assert_allclose(first, wanted, rtol=1e-12, atol=1e-9)
    assert all(other.tobytes() == first.tobytes() for other in others)


def test_packed_values_are_unpacked_first(tmp_path: Path) -> None:
    stored = np.array([[1, 2, -999], [3, 4, 5]], "i2")
    path = File("NETCDF3_CLASSIC", (2, 3), "i2").write(tmp_path / "v.nc", stored)
    source = Source((piece(path),), np.dtype("f4"), (FILL,), scale=0.5, offset=10.0)
    mean = reduce(source, Reduction("mean", frozenset({0})), threads=2)
    np.testing.assert_array_equal(mean, [11.0, 11.5, 12.5])


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


def test_every_chunk_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(0).random((40, 7, 9))
    one = piece(written(tmp_path, values, (40, 2, 3)))
    offsets: list[int] = []
    preadv = os.preadv

    def counted(descriptor: int, buffers: Any, offset: int) -> int:
        offsets.append(offset)
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr("compute_tasks.engine.bytes.os.preadv", counted)
    reduce(Source((one,), values.dtype), Reduction("mean", frozenset({0})), threads=2)
    assert sorted(offsets) == sorted(one.variable.offsets.ravel().tolist())


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
        (Reduction("sum", frozenset({1}), {}, 1, np.zeros(3, int), 1), "groups along the last"),
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
    long = Source((piece(path),) * 100, np.dtype("f4"))
    short = Source((piece(path),), np.dtype("f4"))
    reduction = Reduction("mean", frozenset({0}))
    assert memory(long, reduction, threads=2) == memory(short, reduction, threads=2)
    assert memory(long, reduction, threads=2) < 5_000_000
