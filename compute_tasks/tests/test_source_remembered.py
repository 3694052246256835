"""Opened files are remembered while they are the same, in memory and between processes."""

import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from compute_tasks.engine import sealed
from compute_tasks.engine.field import Field
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, open_source, remembered
from compute_tasks.tests import data

TAS = data.tas(missing=True, calendar="360_day", nlat=4, nlon=6)


@pytest.fixture
def policy(tmp_path: Path) -> SourcePolicy:
    data.write(TAS, tmp_path / "in" / "tas.nc")
    return SourcePolicy(roots=(tmp_path / "in",), indexes=tmp_path / "kept")


@pytest.fixture(autouse=True)
def nothing_held():
    remembered._held.clear()


def source(policy: SourcePolicy, uri: str = "tas.nc") -> xr.Dataset:
    return open_source(Variable("v", "tas", uri), policy)


def equal(opened: xr.Dataset, expected: xr.Dataset) -> None:
    xr.testing.assert_identical(opened.compute(), expected.compute())
    assert {n: v.encoding for n, v in opened.variables.items()} == {
        n: v.encoding for n, v in expected.variables.items()
    }
    assert opened.encoding == expected.encoding


@pytest.mark.parametrize("forgotten", [False, True])
def test_what_is_remembered_is_what_was_opened(policy, monkeypatch, forgotten):
    first = source(policy)
    if forgotten:
        remembered._held.clear()
    monkeypatch.setattr("compute_tasks.sources.files.open_path", lambda *_: pytest.fail("opened"))
    second = source(policy)
    assert isinstance(second.tas.variable.data, Field)
    equal(second, first)


def test_a_file_written_again_is_opened_again(policy):
    source(policy)
    changed = TAS.copy()
    changed["tas"] = TAS.tas + 1
    data.write(changed, policy.roots[0] / "tas.nc")
    np.testing.assert_array_equal(source(policy).tas.values, changed.tas.values)


@pytest.mark.parametrize("damage", [lambda raw: raw[:-1], lambda raw: raw[:40] + b"x" + raw[41:]])
def test_a_damaged_memory_counts_for_nothing(policy, damage):
    first = source(policy)
    for path in policy.indexes.iterdir():
        path.write_bytes(damage(path.read_bytes()))
    remembered._held.clear()
    equal(source(policy), first)


def test_each_version_has_memories_of_its_own(policy, monkeypatch):
    first = source(policy)
    (kept,) = policy.indexes.glob("*.variable")
    sealed.write(kept, b"what only another version understands")
    monkeypatch.setattr(remembered, "_versions", lambda: ("another",))
    remembered._held.clear()
    equal(source(policy), first)


def test_what_is_done_to_a_dataset_is_not_remembered(policy):
    spoilt = source(policy)
    spoilt.attrs["title"] = spoilt.tas.attrs["units"] = spoilt.tas.encoding["dtype"] = "spoilt"
    for _ in range(2):
        again = source(policy)
        values = [again.attrs.get("title"), again.tas.attrs["units"], again.tas.encoding["dtype"]]
        assert "spoilt" not in values
        remembered._held.clear()


def test_each_address_of_a_file_stays_its_own(policy):
    source(policy)
    absolute = str(policy.roots[0] / "tas.nc")
    assert source(policy, absolute).encoding["source"] == absolute


def test_a_folder_that_takes_nothing_is_no_error(policy, tmp_path):
    (tmp_path / "kept").write_text("not a folder")
    equal(source(policy), source(policy))


def test_of_too_much_what_was_not_used_for_longest_goes(tmp_path):
    for number in range(5):
        (tmp_path / str(number)).write_bytes(bytes(100))
        os.utime(tmp_path / str(number), (number, number))
    sealed.prune(tmp_path, 250)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["3", "4"]
