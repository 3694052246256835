"""Cutting and streaming, on files directly."""

import math

import netCDF4
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_wps.data.dap2 import constraint, dataset, xdr
from compute_wps.data.dap2.errors import DapError
from compute_wps.data.dap2.model import Dataset, Dimension, Variable


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(1, 3)), max_size=4), st.integers(1, 40))
def test_blocks_follow_each_other_in_row_order_and_stay_small(axes, limit):
    slab = tuple(range(0, size, step) for size, step in axes)
    whole = np.arange(math.prod(size for size, _ in axes)).reshape([size for size, _ in axes])
    pieces = [whole[np.ix_(*block)].ravel() for block in xdr.blocks(slab, limit)]
    assert all(piece.size <= limit for piece in pieces)
    np.testing.assert_array_equal(np.concatenate(pieces), whole[np.ix_(*slab)].ravel())


AXES = tuple(Dimension(name, size) for name, size in {"t": 4, "x": 3}.items())
COORDINATES = [Variable(axis.name, "Float64", (axis,), ()) for axis in AXES]
FIELD = Variable("v", "Float32", AXES, (), maps=("t", "x"))
SMALL = Dataset(
    "small.nc", {variable.name: variable for variable in [FIELD, *COORDINATES]}, (), None
)


@given(st.text(alphabet="vtx.[]:,&()<=0123456789 %", max_size=30))
def test_any_expression_is_answered_or_refused_in_words(expression):
    try:
        projections = constraint.parse(expression, SMALL)
    except DapError as refused:
        assert refused.code in (400, 404)
        assert refused.message
    else:
        names = [projection.name for projection in projections]
        assert names == [name for name in SMALL.variables if name in names]


def test_members_keep_the_order_of_the_grid_whatever_the_order_asked():
    (projection,) = constraint.parse("v.x,v.v[0][0:2],v.t", SMALL)
    assert projection.constructor == "Structure"
    assert [part.variable.name for part in projection.parts] == ["v", "t", "x"]


@pytest.fixture
def ramp(tmp_path):
    path = tmp_path / "ramp.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 3_000_000)
        file.createVariable("v", "f8", ("x",), chunksizes=(100_000,))[:] = np.arange(3_000_000)
    return path


def streamed(path):
    described = dataset.describe(path)
    return xdr.stream(path, b"", constraint.parse("v", described))


def test_a_large_answer_comes_in_small_blocks(ramp):
    blocks = [len(block) for block in streamed(ramp)]
    assert sum(blocks) == len("Data:\n") + 8 + 8 * 3_000_000
    assert max(blocks) <= xdr.BLOCK_BYTES
    assert len(blocks) > 5


def test_a_file_removed_while_it_is_sent_still_arrives(ramp):
    stream = streamed(ramp)
    head = [next(stream), next(stream), next(stream)]
    ramp.unlink()
    data = b"".join([*head, *stream])[len("Data:\n") + 8 :]
    np.testing.assert_array_equal(np.frombuffer(data, ">f8"), np.arange(3_000_000))


def test_the_lock_is_free_while_a_block_is_sent(ramp):
    stream = streamed(ramp)
    for _ in range(3):
        next(stream)
    # Another thread could take it: this one does not hold it between two blocks.
    assert not dataset.LIBRARY._is_owned()
    stream.close()


def test_a_file_changed_on_disk_is_described_anew(tmp_path):
    path = tmp_path / "file.nc"
    for name in ("first", "second"):
        path.unlink(missing_ok=True)
        with netCDF4.Dataset(path, "w") as file:
            file.createVariable(name, "f4")
        assert list(dataset.describe(path).variables) == [name]


def test_a_missing_file_is_a_404(tmp_path):
    with pytest.raises(DapError, match=r"no file gone\.nc") as refused:
        dataset.describe(tmp_path / "gone.nc")
    assert refused.value.code == 404
