"""Many files that were not seen before are opened by several processes."""

from contextlib import ExitStack

import pytest
import xarray as xr

from compute_tasks.errors import SourceError
from compute_tasks.model import Variable
from compute_tasks.plan import Plan
from compute_tasks.progress import Progress
from compute_tasks.sources import SourcePolicy, ahead, open_source, remembered
from compute_tasks.steps import prepare
from compute_tasks.tests import data

FILES = 8


@pytest.fixture
def policy(tmp_path, monkeypatch):
    monkeypatch.setattr(ahead, "LEAST", FILES)
    monkeypatch.setattr(ahead, "width", lambda: 2)
    remembered._held.clear()
    for number in range(FILES):
        data.write(data.tas(nlat=4, nlon=6) + number, tmp_path / "in" / f"{number}.nc")
    return SourcePolicy(roots=(tmp_path / "in",), indexes=tmp_path / "kept")


@pytest.fixture
def variables():
    return [Variable(f"v{number}", "tas", f"{number}.nc") for number in range(FILES)]


def test_what_others_opened_is_what_would_have_been_opened_here(policy, variables, monkeypatch):
    alone = SourcePolicy(roots=policy.roots)
    expected = [open_source(variable, alone).load() for variable in variables]
    remembered._held.clear()
    with ahead.opening(variables, policy) as wait, monkeypatch.context() as patch:
        patch.setattr("compute_tasks.sources.files.open_path", lambda *_: pytest.fail("opened"))
        for variable, own in zip(variables, expected, strict=True):
            wait(variable)
            xr.testing.assert_identical(open_source(variable, policy).load(), own)


def test_a_file_that_cannot_be_opened_holds_nobody_up(policy, variables):
    (policy.roots[0] / "3.nc").write_bytes(b"CDF\x01 and then nothing of use")
    with ahead.opening(variables, policy) as wait:
        for variable in variables:
            wait(variable)
    with pytest.raises(SourceError, match=r"3\.nc is a damaged NetCDF-3 file"):
        open_source(variables[3], policy)
    open_source(variables[4], policy)


@pytest.mark.parametrize("what", ["few", "known", "no folder", "one processor"])
def test_no_process_is_started_for_nothing(policy, variables, monkeypatch, what):
    if what == "few":
        variables.pop()
    elif what == "known":
        open_source(variables[0], policy)
    elif what == "no folder":
        policy = SourcePolicy(roots=policy.roots)
    else:
        monkeypatch.setattr(ahead, "width", lambda: 1)
    monkeypatch.setattr(ahead.subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    with ahead.opening(variables, policy) as wait:
        wait(variables[0])


def test_a_run_has_its_files_opened_ahead(policy, variables, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        ahead._Helper, "wait", lambda self, variable: asked.append(variable.uri), raising=True
    )
    plan = Plan("", (), {variable.name: variable for variable in variables}, {}, ())
    progress = Progress(lambda percent, message: None, lambda: False)
    with ExitStack() as stack:
        opened = prepare(plan, policy, tmp_path, stack, progress).opened
    assert sorted(asked) == [variable.uri for variable in variables]
    assert len(opened) == FILES


def test_where_no_process_can_be_started_nothing_is_waited_for(policy, variables, monkeypatch):
    def refused(*_, **__):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(ahead.subprocess, "Popen", refused)
    with ahead.opening(variables, policy) as wait:
        for variable in variables:
            wait(variable)
            open_source(variable, policy)


def test_processes_end_with_the_context_whatever_they_do(policy, variables):
    with ExitStack() as stack:
        wait = stack.enter_context(ahead.opening(variables, policy))
        stack.close()
        for variable in variables:
            wait(variable)
