"""Parts on disk: what is saved comes back as it was or not at all, whenever the process dies."""

import itertools
import os
import signal
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays, floating_dtypes, integer_dtypes

from compute_tasks import durable
from compute_tasks import parts as module
from compute_tasks.parts import HELD_BYTES, Parts, Stopped

BIG = np.arange(1000.0)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(tmp_path, clock):
    """Make the parts of one run; each call is another attempt at it."""

    def make(identity="run", **more):
        return Parts(tmp_path / "parts", identity, **{"clock": clock, "seconds": 5.0, **more})

    return make


def same(found, expected):
    assert [a.dtype for a in found] == [a.dtype for a in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def save(parts, clock, given, *what):
    clock.now += 1000
    parts.hold(given, *what)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(integer_dtypes(), floating_dtypes(endianness="=")).flatmap(
            lambda dtype: arrays(dtype, array_shapes(min_dims=0, max_dims=3, min_side=0))
        ),
        max_size=4,
    )
)
def test_arrays_of_any_type_and_shape_come_back_bit_for_bit(tmp_path_factory, given_arrays):
    parts = Parts(tmp_path_factory.mktemp("parts"), "run", seconds=0)
    parts.hold(given_arrays, "any", 1)
    found = parts.load("any", 1)
    assert [(a.dtype, a.shape, a.tobytes()) for a in found] == [
        (a.dtype, a.shape, a.tobytes()) for a in given_arrays
    ]
    assert all(a.flags.writeable for a in found)


def test_a_part_is_told_from_others_by_what_it_is_and_by_its_run(make, clock):
    save(make(), clock, [BIG], "mean", slice(0, 4))
    same(make().load("mean", slice(0, 4)), [BIG])
    assert make().load("mean", slice(0, 5)) is None
    assert make("another run").load("mean", slice(0, 4)) is None


def test_a_later_state_takes_the_place_of_an_earlier_one(make, clock):
    parts = make()
    for value in (1.0, 2.0):
        clock.now += 10
        parts.keep(int(value), [np.array([value])], "state")
    restored = np.zeros(1)
    assert make().restore([restored], 3, "state") == 2
    assert restored == 2.0
    assert len(list(parts.folder.iterdir())) == 1


def test_a_short_run_saves_nothing(make, clock):
    parts = make()
    parts.keep(1, [BIG], "state")
    clock.now = 4.9
    parts.hold([BIG], "block")
    assert not parts.folder.exists()


def test_a_finished_part_waits_for_the_next_save(make, clock):
    parts = make()
    parts.hold([BIG], "first")
    clock.now = 5.0
    parts.hold([BIG], "second")
    assert make().load("first") is not None
    assert make().load("second") is not None
    parts.hold([BIG], "third")
    assert make().load("third") is None
    assert parts.counts.saved == 2


def test_parts_that_wait_take_little_memory(make, clock):
    parts = make()
    large = np.zeros(HELD_BYTES // 16)
    for number in range(3):
        parts.hold([large], number)
    clock.now = 5.0
    parts.hold([BIG], "small")
    assert [make().load(number) is None for number in range(3)] == [True, True, True]
    assert make().load("small") is not None


def test_a_slow_disk_is_written_to_less_often(make, clock, monkeypatch):
    parts, write = make(), module._write

    def slow(*arguments):
        write(*arguments)
        clock.now += 10

    monkeypatch.setattr(module, "_write", slow)
    clock.now = 5.0
    parts.keep(1, [BIG], "state")
    clock.now += 39
    parts.keep(2, [BIG + 1], "state")
    same(make().load("state"), [np.array(1), BIG])
    clock.now += 1
    parts.keep(3, [BIG + 2], "state")
    same(make().load("state"), [np.array(3), BIG + 2])


@pytest.mark.parametrize("length", [0, 3, 11, 12, 100, -1])
def test_a_part_that_is_cut_short_is_not_there(make, clock, length, caplog):
    save(make(), clock, [BIG], "block")
    (path,) = make().folder.iterdir()
    content = path.read_bytes()
    path.write_bytes(content[:length])
    again = make()
    assert again.load("block") is None
    assert again.counts.damaged == 1
    assert "damaged" in caplog.text


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_a_part_with_a_damaged_byte_is_not_there(tmp_path_factory, data):
    parts = Parts(tmp_path_factory.mktemp("parts"), "run", seconds=0)
    parts.hold([np.arange(20.0)], "block")
    (path,) = parts.folder.iterdir()
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    assert parts.load("block") is None


def test_a_run_that_is_to_stop_saves_what_is_finished_first(make):
    parts = make(stopping=lambda: True)
    with pytest.raises(Stopped):
        parts.keep(1, [BIG], "state")
    with pytest.raises(Stopped):
        parts.hold([BIG], "block")
    assert make().load("state") is not None
    assert make().load("block") is not None


def test_without_an_identity_nothing_is_saved_but_a_run_stops_all_the_same(make, clock):
    parts = make("", stopping=lambda: clock.now > 50)
    clock.now = 10
    parts.hold([BIG], "block")
    parts.keep(1, [BIG], "state")
    assert parts.restore([BIG], 2, "state") == 0
    clock.now = 60
    with pytest.raises(Stopped):
        parts.hold([BIG], "block")
    assert not parts.folder.exists()


def test_a_nearly_full_disk_costs_the_parts_only(make, clock, caplog):
    parts = make(least_free=1 << 60)
    save(parts, clock, [BIG], "block")
    save(parts, clock, [BIG], "next")
    assert list(parts.folder.iterdir()) == []
    assert caplog.text.count("parts are not saved") == 1


def test_a_resumed_run_says_how_many_parts_were_there(make, clock):
    parts = make()
    for number in range(3):
        parts.hold([BIG], number)
    save(parts, clock, [BIG], 3)
    said = []
    again = make(notice=said.append)
    assert again.there([(number,) for number in range(8)]) == 4
    assert said == ["resumed: 4 of 8 parts were there"]
    assert again.counts.resumed == 4
    assert make("another", notice=said.append).there([(1,)]) == 0
    assert len(said) == 1


WRITING = (
    Parts.keep,
    Parts._save,
    module._write,
    module._write_file,
    module._packed,
    durable.sync,
)


def dies(step, folder, state):
    """Save a state in a process that is killed before its n-th line there; False if it lived."""
    child = os.fork()
    if child:
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    left = itertools.count(1)

    def count(frame, event, _):
        if event == "line" and next(left) == step:
            os.kill(os.getpid(), signal.SIGKILL)
        return count

    codes = {place.__code__ for place in WRITING}
    sys.settrace(lambda frame, *_: count if frame.f_code in codes else None)
    Parts(folder, "run", seconds=0).keep(1, [state], "state")
    os._exit(0)


def test_a_process_killed_at_any_step_of_saving_leaves_the_old_state_or_the_new(tmp_path):
    folder, found = tmp_path / "parts", []
    for step in itertools.count(1):
        Parts(folder, "run", seconds=0).keep(1, [BIG], "state")
        alive = not dies(step, folder, BIG + 1)
        _, state = Parts(folder, "run").load("state")
        found.append(float(state[0]))
        same([state], [BIG + found[-1]])
        if alive:
            break
    assert step > 20
    assert found == sorted(found)
    assert set(found) == {0.0, 1.0}
