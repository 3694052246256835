import io
import json
import math
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from compute_tasks.benchmarks.agreement import difference
from compute_tasks.benchmarks.cases import BOX, cases, grid_text
from compute_tasks.benchmarks.children import FailedError, Run, fresh
from compute_tasks.benchmarks.figures import Figure, better_cdo, figures, ratio, seconds
from compute_tasks.benchmarks.files import tas_files
from compute_tasks.benchmarks.measure import CDO, CDO2, COLD, FLOOR, WARM, Measured
from compute_tasks.benchmarks.startup import first_read
from compute_tasks.benchmarks.table import WIDTH, show, shown
from compute_tasks.benchmarks.weights import conservative
from compute_tasks.document import parse
from compute_tasks.plan import build

FOLDER = Path("/data")


def runs(*walls, peak=100_000_000):
    return [Run(wall, wall, peak, 0.0) for wall in walls]


def area_mean():
    return next(case for case in cases(FOLDER, 30) if case.name == "area-mean")


def test_the_ratio_is_the_median_of_the_rounds_not_the_ratio_of_medians():
    measured = {CDO: runs(10, 4, 9), WARM: runs(1, 2, 3)}
    assert ratio(measured, CDO, WARM) == 3
    assert seconds(measured, CDO) == 9


def test_a_way_that_was_not_run_has_no_figures():
    assert ratio({WARM: runs(1)}, CDO, WARM) is None
    assert seconds({}, CDO) is None
    assert [f.name for f in figures(Measured(area_mean(), {WARM: runs(1)}))] == ["peak MB"]


def test_the_better_of_both_ways_to_run_cdo_counts():
    measured = {CDO: runs(8), CDO2: runs(6), WARM: runs(1), COLD: runs(2), FLOOR: runs(0.5)}
    assert better_cdo(measured) == CDO2
    found = {figure.name: figure for figure in figures(Measured(area_mean(), measured))}
    assert found["warm vs CDO"].value == 6
    assert found["warm vs CDO"].missed
    assert found["cold vs CDO"].value == 3
    assert found["warm vs floor"].value == 2
    assert found["warm vs floor"].missed


@pytest.mark.parametrize(
    ("figure", "missed"),
    [
        (Figure("ratio", 7, 7), False),
        (Figure("ratio", 6.9, 7), True),
        (Figure("peak", 300, 300, most=True), False),
        (Figure("peak", 301, 300, most=True), True),
        (Figure("peak", math.nan, 300, most=True), True),
        (Figure("seconds", 3), False),
    ],
)
def test_a_bar_is_reached_or_missed(figure, missed):
    assert figure.missed is missed
    assert shown(figure).startswith("!") is missed


def test_the_table_has_a_row_for_each_case_with_its_misses_marked():
    text = io.StringIO()
    measured = Measured(area_mean(), {WARM: runs(1), CDO: runs(5), COLD: runs(1)}, 4e-4)
    show([measured], Console(file=text, width=WIDTH))
    (row,) = text.getvalue().splitlines()[1:]
    assert row.startswith("area-weighted mean series")
    assert "! 5.00 (7)" in row
    assert "5.00 (3.5)" in row
    assert "4.0e-04" in row


def test_the_largest_difference_is_over_the_cells_both_have():
    ours, peer = np.array([1, np.nan, 3.0]), np.array([1.5, np.nan, 3.25])
    assert difference(ours, peer) == 0.5
    assert difference(ours[1:2], peer[1:2]) == 0


def test_cells_missing_in_one_only_are_no_agreement():
    with pytest.raises(ValueError, match="1 cells are missing in one"):
        difference(np.array([1, np.nan]), np.array([1, 2.0]))


@pytest.mark.parametrize("years", [2, 5, 30])
def test_every_case_is_a_request_that_can_be_planned(years):
    for case in cases(FOLDER, years):
        request = case.request()
        texts = {name: json.dumps(request[name]) for name in LISTS}
        assert build(parse(request["identifier"], **texts)).outputs


LISTS = ("variable", "domain", "operation")


def test_files_are_named_after_their_years():
    assert [path.name for path in tas_files(FOLDER, 7, "netcdf3")] == [
        "tas_day_netcdf3_1990-1994.nc",
        "tas_day_netcdf3_1995-1996.nc",
    ]


def test_the_peers_are_asked_for_the_same_years_and_region():
    subset = next(case for case in cases(FOLDER, 30) if case.name == "subset")
    assert subset.domain["time"]["start"] == "2000"
    assert subset.domain["time"]["end"] == "2009"
    assert subset.steps == slice(3650, 7300)
    assert "-seldate,2000-01-01,2009-12-31" in subset.cdo
    assert "time,3650.,7300." in subset.nco
    assert f"lat,{BOX['lat'][0]}.,{BOX['lat'][1]}." in subset.nco


def test_the_grid_of_cdo_is_the_one_we_call_uniform():
    assert "xsize = 144\nysize = 72\nxfirst = 1.25\nxinc = 2.5\nyfirst = -88.75" in grid_text(2.5)


def test_conservative_weights_keep_a_constant_and_the_mean():
    weights = conservative(6, 8, 45.0)
    assert weights.shape == (4 * 8, 6 * 8)
    np.testing.assert_allclose(weights @ np.ones(48, "f4"), 1, rtol=1e-6)
    source = np.repeat(np.arange(6.0), 8)
    areas = [np.diff(np.sin(np.deg2rad(np.linspace(-90, 90, n + 1)))) for n in (4, 6)]
    means = [
        np.average(v.reshape(len(a), 8).mean(1), weights=a)
        for v, a in zip((weights @ source, source), areas, strict=True)
    ]
    np.testing.assert_allclose(*means, rtol=1e-6)


def test_the_first_read_after_a_date_is_found(tmp_path):
    log = tmp_path / "reads.txt"
    log.write_text("10.0 /a.nc\n12.5 /a.nc\n13.0 /a.nc\n")
    assert first_read(log, 11) == 1.5
    assert math.isnan(first_read(log, 20))
    assert math.isnan(first_read(tmp_path / "none", 0))


def test_a_program_that_fails_says_why():
    with pytest.raises(FailedError, match="ended with 3: no such thing"):
        fresh(["sh", "-c", "echo no such thing >&2; exit 3"])


def test_a_run_has_its_time_and_memory():
    run = fresh(["sh", "-c", "true"])
    assert 0 < run.wall < 30
    assert run.peak > 100_000
