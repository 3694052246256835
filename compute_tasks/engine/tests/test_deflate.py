"""What is deflated is a zlib stream of the same bytes, noise stored as it is."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.engine.deflate import deflated

RANDOM = np.random.default_rng(0)
PLANES = {
    "noise": lambda size: RANDOM.integers(0, 256, size, "u1"),
    "zeros": lambda size: np.zeros(size, "u1"),
    "even but repeated": lambda size: np.resize(RANDOM.permutation(256).astype("u1"), size),
    "few values": lambda size: RANDOM.integers(0, 9, size, "u1"),
}


@given(
    st.lists(st.sampled_from(sorted(PLANES)), min_size=1, max_size=8),
    st.sampled_from([0, 1, 5, 255, 4096, 70_000]),
)
@settings(max_examples=40, deadline=None)
def test_any_zlib_gives_the_bytes_back(kinds, size):
    data = np.concatenate([PLANES[kind](size) for kind in kinds])
    assert zlib.decompress(deflated(data, len(kinds))) == data.tobytes()


def test_noise_takes_hardly_more_than_itself_and_the_rest_is_deflated():
    size = 50_000
    data = np.concatenate([PLANES[kind](size) for kind in ("zeros", "noise", "noise", "zeros")])
    assert 2 * size < len(deflated(data, 4)) < 2.02 * size


@pytest.mark.parametrize("kind", ["even but repeated", "few values"])
def test_what_deflating_makes_smaller_is_deflated(kind):
    data = PLANES[kind](50_000)
    assert len(deflated(data, 1)) < 0.7 * data.size
