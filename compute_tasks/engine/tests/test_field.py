"""A field is to xarray and numpy what the array in the files would be, and reads nothing before."""

import copy
import itertools
import operator
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compute_tasks.engine.blocks import Piece
from compute_tasks.engine.evaluation import values as values_of
from compute_tasks.engine.evaluator import whole
from compute_tasks.engine.expression import Pointwise, Stored, Taken
from compute_tasks.engine.field import Field
from compute_tasks.engine.index import index_file
from compute_tasks.engine.reduction import Source
from compute_tasks.engine.tests.files import File, keys

FILL = -999.0
NUMBERS = itertools.count()
BINARY: list[Callable[..., Any]] = [operator.add, operator.mul, operator.gt, np.maximum]
quickly = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def field(folder: Path, values: np.ndarray, chunks: tuple[int, ...] | None = None) -> Field:
    """Write the values, NaN as the fill value, and return them as a field."""
    storage: dict[str, Any] = {"fill_value": FILL}
    if chunks:
        storage["chunksizes"] = chunks
    file = File("NETCDF4", values.shape, values.dtype.str[1:], storage=storage)
    path = file.write(
        folder / f"{next(NUMBERS)}.nc",
        np.where(np.isnan(values), FILL, values).astype(values.dtype),
    )
    index = index_file(path)
    variable = index.variables["v"]
    piece = Piece(
        index.identity, variable, tuple(map(range, variable.shape)), (0,) * len(variable.shape)
    )
    return Field(Stored(Source((piece,), values.dtype, (FILL,))))


def numbers(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(0, 10, shape).astype("f4")
    values[random.random(shape) < 0.2] = np.nan
    return values


def assert_same(found: Any, wanted: np.ndarray) -> None:
    """Compare shape, type and values, the latter also by way of dask."""
    assert (found.shape, found.dtype) == (wanted.shape, wanted.dtype)
    np.testing.assert_array_equal(np.asarray(found), wanted)
    if isinstance(found, Field):
        np.testing.assert_array_equal(found.lazy().compute(scheduler="sync"), wanted)


def orthogonal(values: np.ndarray, key: tuple[Any, ...]) -> np.ndarray:
    """Select along each dimension for itself, as a field does."""
    arrays = [np.atleast_1d(np.arange(n)[k]) for n, k in zip(values.shape, key, strict=True)]
    dropped = tuple(0 if np.ndim(k) == 0 and not isinstance(k, slice) else slice(None) for k in key)
    return np.asarray(values[np.ix_(*arrays)][dropped])


@st.composite
def arrays(draw: Any) -> tuple[np.ndarray, tuple[int, ...]]:
    shape = draw(st.lists(st.integers(1, 7), min_size=1, max_size=3).map(tuple))
    chunks = tuple(draw(st.integers(1, length)) for length in shape)
    return numbers(shape, draw(st.integers(0, 99))), chunks


@quickly
@given(array=arrays(), draws=st.data())
def test_selections_one_after_the_other_are_those_of_numpy(
    tmp_path: Path, array: Any, draws: st.DataObject
) -> None:
    wanted, _ = array
    found: Any = field(tmp_path, *array)
    for _ in range(3):
        if not wanted.ndim or not wanted.size:
            break
        key = draws.draw(keys(wanted.shape))
        arrays_in_key = sum(isinstance(part, np.ndarray) for part in key)
        if arrays_in_key > 1 or not isinstance(found, Field):
            for axis, part in reversed(list(enumerate(key))):
                one = (*(slice(None),) * axis, part)
                found = found[one]
        else:
            found = found[key]
        wanted = orthogonal(wanted, key)
        assert_same(found, wanted)


@quickly
@given(array=arrays(), draws=st.data())
def test_functions_of_points_and_selections_are_those_of_numpy_in_any_order(
    tmp_path: Path, array: Any, draws: st.DataObject
) -> None:
    wanted, _ = array
    found: Any = field(tmp_path, *array)
    for _ in range(draws.draw(st.integers(1, 4))):
        kind = draws.draw(st.sampled_from(["number", "where", "row", "self", "select", "isnan"]))
        if kind == "number":
            function = draws.draw(st.sampled_from(BINARY))
            found, wanted = function(found, 2.5), function(wanted, 2.5)
        elif kind == "where":
            found, wanted = np.where(found > 1, found, 0), np.where(wanted > 1, wanted, 0)
        elif kind == "row":
            row = np.arange(wanted.shape[-1], dtype="f4")
            found, wanted = row - found, row - wanted
        elif kind == "self":
            found, wanted = found + found * found, wanted + wanted * wanted
        elif kind == "isnan":
            found, wanted = (
                np.where(np.isnan(found), 1.5, found),
                np.where(np.isnan(wanted), 1.5, wanted),
            )
        else:
            found, wanted = found[::2], wanted[::2]
    assert isinstance(found, Field)
    assert_same(found, wanted)


@quickly
@given(draws=st.data())
def test_arrays_of_files_are_joined_along_any_dimension(
    tmp_path: Path, draws: st.DataObject
) -> None:
    shape = draws.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    axis = draws.draw(st.integers(0, len(shape) - 1))
    parts = []
    for seed in range(draws.draw(st.integers(2, 4))):
        shape[axis] = draws.draw(st.integers(1, 5))
        parts.append(numbers(tuple(shape), seed))
    fields = [np.abs(field(tmp_path, part)) for part in parts]
    joined = np.concatenate(fields, axis)
    wanted = np.abs(np.concatenate(parts, axis))
    assert isinstance(joined, Field)
    assert_same(joined, wanted)
    key = tuple(draws.draw(st.sampled_from([slice(None), slice(1, None), 0])) for _ in shape)
    if wanted[key].size:
        assert_same(joined[key], wanted[key])


def test_longitudes_across_the_seam_are_two_pieces_of_one_array(tmp_path: Path) -> None:
    values = numbers((4, 3, 8))
    found = field(tmp_path, values)[:, :, np.array([6, 7, 0, 1])]
    assert isinstance(found.node, Stored)
    assert len(found.node.source.pieces) == 2
    assert_same(found, values[:, :, [6, 7, 0, 1]])


def test_places_in_any_order_are_taken_from_what_is_read_once(tmp_path: Path) -> None:
    values, places = numbers((6, 2)), np.tile(np.arange(6), 9)
    found = field(tmp_path, values)[places]
    assert isinstance(found.node, Taken)
    assert_same(found, values[places])


def test_what_several_functions_share_is_read_and_computed_once(tmp_path: Path) -> None:
    calls = []

    def noted(values: Any) -> Any:
        calls.append(1)
        return values

    data = field(tmp_path, numbers((3, 4)))
    base = Field(Pointwise(noted, (data.node,), data.shape, data.dtype))
    chained = (base + 1) * (base - 1) + base
    assert len(chained.node.operands) == 1
    np.asarray(chained)
    assert len(calls) == 1


def test_dimensions_can_be_moved_added_and_dropped(tmp_path: Path) -> None:
    values = numbers((3, 4, 5))
    found = field(tmp_path, values)
    assert_same(found.transpose(2, 0, 1), values.transpose(2, 0, 1))
    assert_same(found[1][None, :, :, None], values[1][None, :, :, None])
    assert_same(np.expand_dims(found[:, 2], 1)[1:], np.expand_dims(values[:, 2], 1)[1:])
    assert_same(found.transpose(2, 1, 0)[2, ::-1], values.transpose(2, 1, 0)[2, ::-1])


def test_everything_else_is_done_by_dask_with_the_same_values(tmp_path: Path) -> None:
    values = numbers((6, 5))
    found = field(tmp_path, values, (2, 5))
    for function in (np.nanmean, np.nansum, np.nanmax):
        result = function(found, axis=0)
        assert isinstance(result, da.Array)
        np.testing.assert_allclose(result.compute(scheduler="sync"), function(values, axis=0), 1e-6)
    np.testing.assert_array_equal(np.asarray(found + da.from_array(values)), values + values)
    np.testing.assert_array_equal(np.asarray(da.from_array(values) + found), values + values)


def test_xarray_takes_it_for_an_array_and_keeps_it_deferred(tmp_path: Path) -> None:
    values = numbers((6, 5))
    data = xr.DataArray(field(tmp_path, values), dims=("t", "x"), coords={"x": np.arange(5)})
    plain = data.copy(data=values)
    for change in (
        lambda d: d.isel(t=slice(None, None, 2), x=3),
        lambda d: d.where(d > 0),
        lambda d: d.fillna(-1.0).sel(x=[1, 4]),
        lambda d: d - d.isel(t=0).expand_dims("t").transpose("t", "x")[0],
        lambda d: xr.concat([d, d], "t").rename(t="u").astype("f8"),
        lambda d: d.where(d.x > 1, 7.0).transpose("x", "t"),
        lambda d: copy.deepcopy(d).squeeze(),
    ):
        found, wanted = change(data), change(plain)
        assert isinstance(found.variable.data, Field)
        assert found.dims == wanted.dims
        assert_same(found.variable.data, wanted.values)


def test_a_field_can_be_sent_to_another_process(tmp_path: Path) -> None:
    values = numbers((4, 5))
    found = np.where(field(tmp_path, values) > 0, 1.0, field(tmp_path, values))[1:]
    wanted = np.where(values > 0, 1.0, values)[1:]
    assert_same(pickle.loads(pickle.dumps(found)), wanted)


def test_only_the_chunks_of_a_selection_are_read(tmp_path: Path, offsets_read: list[int]) -> None:
    data = field(tmp_path, numbers((12, 4)), (1, 4))
    offsets = data.node.source.pieces[0].variable.offsets[:, 0]
    np.asarray((data * 2)[3:9:2])
    assert sorted(set(offsets_read)) == sorted(offsets[3:9:2].tolist())


def test_a_result_in_memory_is_not_copied() -> None:
    result = numbers((3, 4))
    assert np.shares_memory(values_of(result, whole(result.shape)), result)
