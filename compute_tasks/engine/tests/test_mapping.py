"""Mapped nodes give what numpy gives, whole or by boxes, for any files, chunks and threads."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from compute_tasks.engine import boxes, evaluator, mapping, source_reader
from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.boxes import blocks, grain, steps
from compute_tasks.engine.evaluator import cells, lengths
from compute_tasks.engine.expression import (
    Arranged,
    Mapwise,
    Operand,
    Pointwise,
    Reduced,
    Stored,
    Taken,
)
from compute_tasks.engine.index import index_file
from compute_tasks.engine.reduction import Reduction, Source
from compute_tasks.engine.tests.files import File

FILL = -999.0
NUMBERS = itertools.count()
modest = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make even small arrays be computed in many boxes, steps and cells."""
    monkeypatch.setattr(boxes, "READ_BYTES", 512)
    monkeypatch.setattr(boxes, "WRITE_BYTES", 256)
    monkeypatch.setattr(boxes, "STEP_BYTES", 128)
    monkeypatch.setattr(evaluator, "CACHE_BYTES", 64)
    monkeypatch.setattr(source_reader, "OPEN_READERS", 1)


def stored(folder: Path, arrays: list[np.ndarray], chunks: list[Any]) -> Stored:
    """Return files with these values that follow on each other, NaN as the fill value."""
    pieces, start = [], 0
    for values, chunk in zip(arrays, chunks, strict=True):
        storage: dict[str, Any] = {"fill_value": FILL}
        if chunk:
            storage |= {"compression": "zlib", "shuffle": True, "chunksizes": chunk}
        path = File("NETCDF4", values.shape, values.dtype.str[1:], storage=storage).write(
            folder / f"{next(NUMBERS)}.nc", np.where(np.isnan(values), FILL, values)
        )
        index = index_file(path)
        if "v" not in index.variables:  # Tiny chunks may look as if they were not deflated.
            reject()
        ranges = tuple(map(range, values.shape))
        origin = (start, *[0] * (values.ndim - 1))
        pieces.append(Piece(index.identity, index.variables["v"], ranges, origin))
        start += len(values)
    return Stored(Source(tuple(pieces), arrays[0].dtype, (FILL,)))


@st.composite
def inputs(draw: Any) -> tuple[list[np.ndarray], list[tuple[int, ...] | None]]:
    """Draw the values of one to three files that follow on each other, and their chunks."""
    inner = draw(st.lists(st.integers(1, 6), min_size=1, max_size=2).map(tuple))
    dtype = draw(st.sampled_from(["f4", "f8"]))
    random = np.random.default_rng(draw(st.integers(0, 1000)))
    arrays, chunks = [], []
    for length in draw(st.lists(st.integers(1, 20), min_size=1, max_size=3)):
        values = random.normal(280, 10, (length, *inner)).astype(dtype)
        arrays.append(np.where(random.random(values.shape) < 0.2, np.nan, values).astype(dtype))
        whole = (length, *inner)
        chunks.append(draw(st.none() | st.tuples(*[st.integers(1, count) for count in whole])))
    return arrays, chunks


def halved(block: np.ndarray) -> np.ndarray:
    """Stand for regridding: every second column of the last dimension, and one before it."""
    return np.asarray(block[..., ::2][:, np.newaxis] * 2)


@st.composite
def nodes(draw: Any, leaf: Operand, values: np.ndarray) -> tuple[Operand, np.ndarray]:
    """Draw a node over stored values, and what it stands for."""
    node, kind = leaf, draw(st.sampled_from(["stored", "less", "taken", "map", "turned", "all"]))
    if kind in ("less", "all"):
        normals = np.arange(values[:1].size, dtype="f8").reshape(1, *values.shape[1:])
        node = Pointwise(_minus, (node, normals), values.shape, values.dtype)
        values = _minus(values, normals)
    if kind in ("taken", "all"):
        places = st.lists(st.integers(0, len(values) - 1), min_size=1, max_size=9)
        chosen = np.array(draw(places))
        node, values = Taken(node, chosen), values[chosen]
    if kind in ("map", "all"):
        inner = values.ndim - 1
        shape = (len(values), 1, *values.shape[1:-1], -(-values.shape[-1] // 2))
        mapped = halved(values)
        turned = Arranged(node, (0, None, *range(1, values.ndim)))
        node = Mapwise(_halved_again, turned, inner + 1, shape, values.dtype)
        values = mapped
    if kind in ("turned", "all"):
        order = draw(st.permutations(range(values.ndim)))
        node, values = Arranged(node, (*order, None)), values.transpose(order)[..., np.newaxis]
    return node, values


def _minus(values: np.ndarray, normals: np.ndarray) -> np.ndarray:
    return (values - normals).astype(values.dtype)


def _halved_again(block: np.ndarray) -> np.ndarray:
    return halved(block[:, 0])


@given(data=st.data())
@modest
def test_a_node_is_what_numpy_makes_of_the_same_values(tmp_path: Path, data: Any) -> None:
    arrays, chunks = data.draw(inputs())
    node, wanted = data.draw(nodes(stored(tmp_path, arrays, chunks), np.concatenate(arrays)))
    for threads in (1, 3):
        found = mapping.evaluate(node, threads=threads)
        np.testing.assert_array_equal(found, wanted, strict=True)


@given(data=st.data())
@modest
def test_a_box_of_a_node_is_that_box_of_the_whole(tmp_path: Path, data: Any) -> None:
    arrays, chunks = data.draw(inputs())
    node, wanted = data.draw(nodes(stored(tmp_path, arrays, chunks), np.concatenate(arrays)))
    box = tuple(
        slice(*sorted(data.draw(st.tuples(*[st.integers(0, length)] * 2))))
        for length in wanted.shape
    )
    np.testing.assert_array_equal(mapping.compute(node, box), wanted[box], strict=True)


@given(data=st.data(), most=st.integers(1, 4000))
@modest
def test_blocks_are_whole_chunks_and_cover_an_array_once(
    tmp_path: Path, data: Any, most: int
) -> None:
    arrays, chunks = data.draw(inputs())
    node, wanted = data.draw(nodes(stored(tmp_path, arrays, chunks), np.concatenate(arrays)))
    chunk = tuple(data.draw(st.integers(1, length)) for length in wanted.shape)
    times = np.zeros(wanted.shape, int)
    for box in blocks(node, chunk, most):
        times[box] += 1
        assert all(extent.start % size == 0 for extent, size in zip(box, chunk, strict=True))
        assert all(
            extent.stop % size == 0 or extent.stop == length
            for extent, size, length in zip(box, chunk, wanted.shape, strict=True)
        )
    assert (times == 1).all()


@given(shape=st.lists(st.integers(0, 7), max_size=4).map(tuple), elements=st.integers(1, 50))
@modest
def test_cells_cover_an_array_once_in_the_order_of_memory(shape: Any, elements: int) -> None:
    numbers = np.arange(int(np.prod(shape))).reshape(shape)
    found = [numbers[cell].ravel() for cell in cells(shape, elements)]
    assert all(len(cell) <= elements for cell in found)
    assert np.array_equal(np.concatenate([*found, []]), numbers.ravel())


def test_steps_of_a_box_hold_whole_chunks_along_the_first_dimension(tmp_path: Path) -> None:
    values = np.zeros((20, 4), "f4")
    node = stored(tmp_path, [values], [(5, 4)])
    assert grain(node) == (5, 4)
    found = list(steps(node, (slice(0, 20), slice(0, 4))))
    assert [lengths(box) for box in found] == [(5, 4)] * 4


def test_blocks_of_inputs_in_large_chunks_hold_them_whole_where_memory_allows(
    tmp_path: Path,
) -> None:
    node = stored(tmp_path, [np.zeros((40, 6, 8), "f4")], [(40, 3, 4)])
    assert {lengths(box) for box in blocks(node, (1, 6, 8), 10_000)} == {(40, 6, 8)}
    assert {lengths(box) for box in blocks(node, (1, 6, 8), 1_920)} == {(10, 6, 8)}


def test_a_reduction_is_no_node_that_can_be_computed_by_boxes(tmp_path: Path) -> None:
    reduced = Reduced(
        stored(tmp_path, [np.zeros((2, 3))], [None]),
        Reduction("sum", frozenset({0})),
        np.dtype("f8"),
    )
    with pytest.raises(TypeError, match="Reduced"):
        mapping.compute(reduced)
