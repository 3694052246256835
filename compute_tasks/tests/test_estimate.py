"""What a run is said to read and write, against what it is made of."""

import json

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.document import parse
from compute_tasks.errors import TooLarge
from compute_tasks.estimate import Estimate, Reading, shares, size
from compute_tasks.plan import build
from compute_tasks.run import run
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.tests import data

MONTH = 6 * 8 * 4
"""Bytes of one month of float32 on the grid of the test data."""
FIRST_YEAR = {"id": "d", "time": {"start": 0, "end": 12, "crs": "indices"}}
SUBSET = {"name": "CDAT.subset", "result": "s", "input": ["v0"], "domain": "d"}


class EnoughError(Exception):
    """Ends a run before it computes."""


@pytest.fixture
def estimated(tmp_path):
    """Return a function from a request to its estimate; nothing of it is computed."""

    def estimate(paths, operation, domain=()) -> Estimate:
        found = []

        def admit(estimate):
            found.append(estimate)
            raise EnoughError

        texts = {
            "variable": [{"uri": str(p), "id": f"tas|v{n}"} for n, p in enumerate(paths)],
            "domain": list(domain),
            "operation": operation,
        }
        workflow = parse(operation[0]["name"], **{k: json.dumps(v) for k, v in texts.items()})
        with pytest.raises(EnoughError):
            run(
                build(workflow),
                sources=SourcePolicy(roots=(tmp_path,)),
                workspace=tmp_path / "workspace",
                destination=tmp_path / "out",
                uid="0",
                provenance={},
                admit=admit,
                report=lambda percent, message: None,
                cancelled=lambda: False,
            )
        assert not (tmp_path / "out").exists()
        return found[0]

    return estimate


@pytest.fixture
def files(tmp_path):
    return data.tas_files(tmp_path, [(2000, 2001), (2002,)])


def test_a_reduction_reads_all_and_writes_little(estimated, files):
    mean = {"name": "CDAT.mean", "result": "m", "input": ["v0"], "axes": "lat|lon"}
    assert estimated(files[:1], [mean]) == Estimate(24 * MONTH, 24 * 8)


def test_a_domain_reads_its_part(estimated, files):
    assert estimated(files[:1], [SUBSET], [FIRST_YEAR]) == Estimate(12 * MONTH, 12 * MONTH)


def test_a_later_selection_counts_for_what_is_read_before_it(estimated, files):
    steps = [
        {**SUBSET, "input": ["a"]},
        {"name": "CDAT.aggregate", "result": "a", "input": ["v0", "v1"]},
    ]
    assert estimated(files, steps, [FIRST_YEAR]) == Estimate(12 * MONTH, 12 * MONTH)


def test_a_domain_of_a_combination_counts_for_its_inputs(estimated, files):
    step = {"name": "CDAT.aggregate", "result": "a", "input": ["v0", "v1"], "domain": "d"}
    assert estimated(files, [step], [FIRST_YEAR]) == Estimate(12 * MONTH, 12 * MONTH)


def test_what_two_results_share_counts_no_more_than_the_whole(estimated, files):
    steps = [
        {"name": "CDAT.max", "result": "a", "input": ["v0"], "axes": "time"},
        {"name": "CDAT.min", "result": "b", "input": ["v0"], "axes": "time"},
        {"name": "CDAT.workflow", "result": "w", "input": ["a", "b"]},
    ]
    found = estimated(files[:1], steps[::-1])
    assert found == Estimate(24 * MONTH, 2 * MONTH)


def test_a_refusal_ends_the_run_and_leaves_no_file(tmp_path, files):
    def refuse(estimate):
        raise TooLarge("too much")

    workflow = parse(
        "CDAT.subset",
        variable=json.dumps([{"uri": str(files[0]), "id": "tas|v0"}]),
        domain="[]",
        operation=json.dumps([{"name": "CDAT.subset", "result": "s", "input": ["v0"]}]),
    )
    with pytest.raises(TooLarge, match="too much"):
        run(
            build(workflow),
            sources=SourcePolicy(roots=(tmp_path,)),
            workspace=tmp_path / "workspace",
            destination=tmp_path / "out",
            uid="0",
            provenance={},
            admit=refuse,
            report=lambda percent, message: None,
            cancelled=lambda: False,
        )
    assert not (tmp_path / "out").exists()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_a_chain_reads_the_product_of_its_shares(taken):
    whole = xr.Dataset({"tas": ("x", np.empty(1000, "f4"))})
    reading = Reading({"v": whole})
    names = ["v", *(f"s{n}" for n in range(len(taken)))]
    for source, name, share in zip(names, names[1:], taken, strict=False):
        reading.step(name, {source: share})
    read = reading.estimate({names[-1]: whole}).input_bytes
    assert read == pytest.approx(4000 * np.prod(taken), abs=1)


def test_steps_that_lead_to_no_result_read_nothing():
    whole = xr.Dataset({"tas": ("x", np.empty(10, "f4"))})
    reading = Reading({"v": whole, "w": whole})
    reading.step("unused", {"v": 1.0})
    reading.step("used", {"w": 1.0})
    assert reading.estimate({"used": whole}) == Estimate(40, 40)


def test_of_nothing_no_share_is_taken():
    empty = xr.Dataset({"tas": ("x", np.empty(0, "f4"))})
    assert shares({"a": empty}, {"a": empty}) == {"a": 0.0}
    assert size(empty) == 0
