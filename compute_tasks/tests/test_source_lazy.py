"""The shape of blocks."""

import math

from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.sources.lazy import blocks


@st.composite
def layouts(draw):
    shape = tuple(draw(st.lists(st.integers(1, 400), min_size=0, max_size=4)))
    stored = tuple(draw(st.integers(1, size)) for size in shape)
    return shape, draw(st.none() | st.just(stored))


@settings(deadline=None, max_examples=100)
@given(layouts(), st.sampled_from([1, 2, 4, 8]), st.integers(1, 10**6))
def test_blocks_are_whole_stored_chunks_within_the_target(layout, itemsize, target):
    shape, stored = layout
    block = blocks(shape, stored, itemsize, target)
    chunk = stored or (1,) * len(shape)
    assert len(block) == len(shape)
    for size, part, whole in zip(block, chunk, shape, strict=True):
        assert size <= whole
        assert size % part == 0 or size == whole
    assert math.prod(block) * itemsize <= max(target, math.prod(chunk) * itemsize)


def test_daily_maps_are_joined_along_time_and_not_one_task_each():
    assert blocks((36500, 192, 288), (1, 192, 288), 4) == (303, 192, 288)


def test_contiguous_files_are_read_in_contiguous_pieces():
    assert blocks((36500, 192, 288), None, 4) == (303, 192, 288)


def test_a_stored_chunk_larger_than_the_target_is_one_block():
    assert blocks((1000, 1000, 1000), (500, 500, 500), 8) == (500, 500, 500)
