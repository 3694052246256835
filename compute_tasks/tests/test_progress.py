"""Percents from opened sources and finished tasks, their rate, and stopping."""

import itertools

import pytest
from dask.base import compute
from dask.delayed import delayed

from compute_tasks.errors import Cancelled
from compute_tasks.progress import OPENED, Progress


def never():
    return False


def computed(progress, count):
    tasks = [delayed(pow)(number, 2) for number in range(count)]
    return compute(*tasks, scheduler="threads", num_workers=2, callbacks=[progress.callbacks()])


def test_percent_follows_the_finished_tasks():
    told = []
    progress = Progress(lambda *report: told.append(report), never, itertools.count().__next__)
    progress.phase("opening 2 files")
    progress.opened(1, 2)
    progress.opened(2, 2)
    progress.phase("computing")
    computed(progress, 47)
    progress.finished()
    percents = [percent for percent, _ in told]
    assert percents[:4] == [0, OPENED // 2, OPENED, OPENED]
    assert percents[4:-1] == [OPENED + 94 * done // 47 for done in range(1, 48)]
    assert told[-1] == (100, "computing")


def test_counted_work_is_told_each_half_second_with_what_is_reached_then():
    told = []
    times = iter([0.0, 0.1, 0.4, 0.5, 0.9, 1.1, 1.2])
    progress = Progress(lambda percent, _: told.append(percent), never, times.__next__)
    for count in range(7):
        progress.opened(count * 20, 100)
    assert told == [0, 3, 5]


def test_the_next_phase_is_told_at_once_but_never_a_third_time_in_a_second():
    told = []
    times = iter([0.0, 0.1, 0.2, 1.0, 1.05])
    progress = Progress(lambda _, message: told.append(message), never, times.__next__)
    for message in "abcde":
        progress.phase(message)
    assert told == ["a", "b", "d"]


def test_percent_does_not_fall_when_a_second_graph_is_computed():
    told = []
    progress = Progress(lambda percent, _: told.append(percent), never, itertools.count().__next__)
    computed(progress, 5)
    computed(progress, 5)
    assert told == sorted(told)


def test_nothing_more_is_computed_once_the_run_is_cancelled():
    done = []
    progress = Progress(lambda *_: None, lambda: len(done) >= 3)
    tasks = [delayed(done.append)(number) for number in range(50)]
    with pytest.raises(Cancelled):
        compute(*tasks, scheduler="threads", num_workers=1, callbacks=[progress.callbacks()])
    assert len(done) < 10
