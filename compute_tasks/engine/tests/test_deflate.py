"""What is deflated is a zlib stream of the same bytes, in few bytes and as few steps."""

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.engine import literals
from compute_tasks.engine.deflate import deflated

RANDOM = np.random.default_rng(0)
PLANES = {
    "noise": lambda size: RANDOM.integers(0, 256, size, "u1"),
    "zeros": lambda size: np.zeros(size, "u1"),
    "even but repeated": lambda size: np.resize(RANDOM.permutation(256).astype("u1"), size),
    "few values": lambda size: RANDOM.integers(0, 9, size, "u1"),
    "uneven": lambda size: RANDOM.binomial(255, 0.4, size).astype("u1"),
}


@given(
    st.lists(st.sampled_from(sorted(PLANES)), min_size=1, max_size=8),
    st.sampled_from([0, 1, 3, 5, 255, 4096, 8193, 70_000]),
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


def test_bytes_that_do_not_repeat_take_what_their_frequencies_allow():
    data = PLANES["uneven"](50_000)
    assert literals.kinds(data, 1).tolist() == [literals.UNEVEN]
    shares = np.bincount(data)[np.bincount(data) > 0] / data.size
    least = -(shares * np.log2(shares)).sum() * data.size / 8
    assert least < len(deflated(data, 1)) < 1.02 * least + 200


def test_each_plane_is_taken_for_what_it_is():
    planes = ["noise", "zeros", "uneven", "even but repeated"]
    data = np.concatenate([PLANES[kind](20_000) for kind in planes])
    kinds = [literals.EVEN, literals.REPEATING, literals.UNEVEN, literals.REPEATING]
    assert literals.kinds(data, 4).tolist() == kinds


@pytest.mark.parametrize("ratio", [1.0, 1.4, 1.7, 2.5])
def test_codes_stay_short_enough_however_rare_some_bytes_are(ratio):
    counts = np.minimum(ratio ** np.arange(60), 400_000).astype("int64")
    data = RANDOM.permutation(np.repeat(np.arange(counts.size, dtype="u1"), counts)[-1_500_000:])
    out = np.empty(literals.room(data.size), "u4")
    coded = out.view("u1")[: literals.code(data, out)].tobytes()
    assert zlib.decompress(coded + b"\x03\x00", -15) == data.tobytes()
    assert len(coded) <= data.size + 256
