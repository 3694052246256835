"""Whole runs on real files: numbers against plain xarray, attributes, progress, errors."""

import json
import uuid

import numpy as np
import pytest
import xarray as xr

from compute_tasks.document import parse
from compute_tasks.errors import Cancelled, InvalidInput, SourceError
from compute_tasks.plan import build
from compute_tasks.run import run
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.tests import data

CFTIME = xr.coders.CFDatetimeCoder(use_cftime=True)


def variables(*paths, name="tas", **values):
    return [{"uri": str(p), "id": f"{name}|v{n}", **values} for n, p in enumerate(paths)]


def opened(output):
    return xr.open_dataset(output.path, decode_times=CFTIME, decode_coords="all").load()


@pytest.fixture
def compute(tmp_path):
    """Return a function that runs the three lists of a request and returns the outputs."""

    def execute(variable, operation, domain=(), identifier=None, **options):
        texts = {
            "variable": json.dumps(variable),
            "domain": json.dumps(list(domain)),
            "operation": json.dumps(operation),
        }
        settings = {
            "provenance": {"wps_identifier": "CDAT.subset", "wps_server": "http://localhost/wps"},
            "uid": uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(texts)).hex,
            "report": lambda percent, message: None,
            "cancelled": lambda: False,
        }
        return run(
            build(parse(identifier or operation[0]["name"], **texts)),
            sources=SourcePolicy(roots=(tmp_path,)),
            workspace=tmp_path / "workspace",
            destination=tmp_path / "out",
            **settings | options,
        )

    return execute


def blocky(path, years=(2000,), **options):
    """Write a file large enough to stay lazy."""
    return data.write(data.tas(years, frequency="day", nlat=96, nlon=192, **options), path)


def test_aggregate_subset_mean_gives_the_numbers_of_plain_xarray(compute, tmp_path):
    paths = data.tas_files(tmp_path, [(2000, 2001), (2002,), (2003,)], missing=True)
    (output,) = compute(
        variables(paths[2], paths[0], paths[1]),
        [
            {"name": "CDAT.mean", "result": "m", "input": ["s"], "axes": "lat|lon"},
            {"name": "CDAT.subset", "result": "s", "input": ["a"], "domain": "d"},
            {"name": "CDAT.aggregate", "result": "a", "input": ["v0", "v1", "v2"]},
        ],
        [
            {
                "id": "d",
                "lat": {"start": -50, "end": 50},
                "time": {"start": "2001", "end": "2002-06", "crs": "timestamps"},
            }
        ],
    )
    parts = [data.tas(years, missing=True).tas for years in ((2000, 2001), (2002,), (2003,))]
    whole = xr.concat(parts, "time")
    expected = whole.sel(lat=slice(-50, 50), time=slice("2001", "2002-06")).mean(
        ("lat", "lon"), dtype="float64"
    )
    found = opened(output)
    np.testing.assert_allclose(found.tas, expected, rtol=1e-12)
    np.testing.assert_array_equal(found.time.values, expected.time.values)
    assert output.path.name.startswith("CDAT.mean_m_")
    assert output.path.name.endswith("_20010116-20020616.nc")
    assert (output.variable, output.operation, output.process) == ("tas", "m", "CDAT.mean")
    assert [path.name for path in (tmp_path / "out").iterdir()] == [output.path.name]


def test_a_large_lazy_result_has_the_numbers_of_plain_xarray(compute, tmp_path):
    path = blocky(tmp_path / "tas.nc", missing=True)
    (output,) = compute(
        variables(path),
        [{"name": "CDAT.subset", "result": "s", "input": ["v0"], "domain": "d"}],
        [{"id": "d", "lon": {"start": 10, "end": 300}}],
        threads=2,
    )
    expected = data.tas((2000,), frequency="day", nlat=96, nlon=192, missing=True).tas
    expected = expected.sel(lon=slice(10, 300))
    np.testing.assert_array_equal(opened(output).tas, expected)


def test_a_result_says_where_it_comes_from(compute, tmp_path):
    path, _ = data.tas_files(tmp_path, [(2000,), (2001,)])
    with_history = data.tas((2002,)).assign_attrs(history="made before", tracking_id="hdl:1/second")
    other = data.write(with_history, tmp_path / "other.nc")
    request = (
        variables(other, path),
        [
            {"name": "CDAT.aggregate", "result": "a", "input": ["v0", "v1"]},
            {"name": "CDAT.max", "result": "m", "input": ["a"], "axes": "lat|lon", "domain": "d"},
        ],
        [{"id": "d", "lat": {"start": 0, "end": 10, "crs": "indices"}}],
    )
    (output,) = compute(*request, uid="run-one")
    attrs = opened(output).attrs
    first_id = xr.open_dataset(path, decode_times=False).attrs["tracking_id"]
    assert attrs["provenance.wps_identifier"] == "CDAT.subset"
    assert attrs["provenance.wps_server"] == "http://localhost/wps"
    assert attrs["source_tracking_id"].split() == ["hdl:1/second", first_id]
    assert attrs["source_files"].split("\n") == [str(other), str(path)]
    assert attrs["tracking_id"] not in (first_id, "hdl:1/second")
    assert attrs["Conventions"] == data.tas((2000,)).attrs["Conventions"]
    assert "CDAT.aggregate() -> CDAT.max(lat=0:10, axes=lat|lon)" in attrs["history"]
    assert attrs["title"] == data.tas((2000,)).attrs["title"]
    (again,) = compute(*request, uid="run-one")
    assert opened(again).attrs["tracking_id"] == attrs["tracking_id"]


def test_history_goes_on_where_the_source_ended(compute, tmp_path):
    path = data.write(data.tas((2000,)).assign_attrs(history="made before"), tmp_path / "tas.nc")
    operation = [{"name": "CDAT.subset", "result": "s", "input": ["v0"]}]
    (output,) = compute(variables(path), operation)
    lines = opened(output).attrs["history"].split("\n")
    assert lines[0] == "made before"
    assert "ESGF Compute" in lines[1] and lines[1].endswith(": CDAT.subset()")


def test_a_variables_own_domain_is_applied_when_it_is_opened(compute, tmp_path):
    (path,) = data.tas_files(tmp_path, [(2000,)])
    (output,) = compute(
        variables(path, domain="d"),
        [{"name": "CDAT.max", "result": "m", "input": ["v0"], "axes": "lat|lon"}],
        [{"id": "d", "lat": {"start": -20, "end": 20}}],
    )
    expected = data.tas((2000,)).tas.sel(lat=slice(-20, 20)).max(("lat", "lon"))
    np.testing.assert_array_equal(opened(output).tas, expected)


def test_a_workflows_domain_and_parameters_reach_its_operations(compute, tmp_path):
    paths = data.tas_files(tmp_path, [(2000,), (2001,)])
    low, high = compute(
        variables(*paths),
        [
            {"name": "CDAT.workflow", "result": "w", "input": ["high"], "domain": "d", "axes": "x"},
            {"name": "CDAT.aggregate", "result": "a", "input": ["v0", "v1"]},
            {"name": "CDAT.max", "result": "low", "input": ["a"]},
            {"name": "CDAT.min", "result": "high", "input": ["a"], "axes": "y"},
        ],
        [{"id": "d", "time": {"start": "2000-12", "end": "2001-01", "crs": "timestamps"}}],
    )
    assert (low.operation, high.operation) == ("high", "low")
    assert dict(opened(high).tas.sizes) == {"time": 2, "lat": 6}
    assert dict(opened(low).tas.sizes) == {"time": 2, "lon": 8}


def test_a_mask_hides_cells_on_the_same_part_of_the_grid(compute, tmp_path):
    (path,) = data.tas_files(tmp_path, [(2000,)])
    land = data.write(data.sftlf(), tmp_path / "sftlf.nc")
    mask = {"uri": str(land), "id": "sftlf|m", "operation": "mask_data<50"}
    (output,) = compute(
        variables(path),
        [{"name": "CDAT.subset", "result": "s", "input": ["v0"], "domain": "d"}],
        [
            {
                "id": "d",
                "lat": {"start": 0, "end": 90},
                "time": {"start": 0, "end": 2, "crs": "indices"},
                "mask": mask,
            }
        ],
    )
    expected = data.tas((2000,)).tas.sel(lat=slice(0, 90)).isel(time=slice(0, 2))
    expected = expected.where(data.sftlf().sftlf.sel(lat=slice(0, 90)) >= 50)
    np.testing.assert_array_equal(opened(output).tas, expected)


def test_results_that_share_a_step_are_both_right(compute, tmp_path):
    path = blocky(tmp_path / "tas.nc")
    outputs = compute(
        variables(path),
        [
            {"name": "CDAT.subset", "result": "s", "input": ["v0"]},
            {"name": "CDAT.max", "result": "x", "input": ["s"], "axes": "time"},
            {"name": "CDAT.min", "result": "n", "input": ["s"], "axes": "time"},
        ],
    )
    tas = data.tas((2000,), frequency="day", nlat=96, nlon=192).tas
    np.testing.assert_array_equal(opened(outputs[0]).tas, tas.max("time"))
    np.testing.assert_array_equal(opened(outputs[1]).tas, tas.min("time"))


def test_progress_rises_with_the_work_and_is_told_at_most_twice_a_second(compute, tmp_path):
    told = []
    paths = [blocky(tmp_path / f"{year}.nc", (year,)) for year in (2000, 2001)]
    compute(
        variables(*paths),
        [{"name": "CDAT.aggregate", "result": "a", "input": ["v0", "v1"]}],
        report=lambda percent, message: told.append((percent, message)),
    )
    percents = [percent for percent, _ in told]
    assert told[0] == (0, "opening 2 files")
    assert percents == sorted(percents)
    assert all(isinstance(percent, int) and 0 <= percent <= 100 for percent in percents)


def test_a_run_cancelled_while_it_computes_leaves_nothing(compute, tmp_path):
    paths = [blocky(tmp_path / f"{year}.nc", (year,)) for year in (2000, 2001, 2002)]
    out = tmp_path / "out"
    with pytest.raises(Cancelled):
        compute(
            variables(*paths),
            [{"name": "CDAT.aggregate", "result": "a", "input": ["v0", "v1", "v2"]}],
            cancelled=lambda: out.exists() and any(out.iterdir()),
            threads=2,
        )
    assert list(out.iterdir()) == []


def test_a_file_that_breaks_while_it_is_read_is_named(compute, tmp_path):
    dataset = data.tas((2000,), frequency="day", nlat=96, nlon=192)
    path = damaged(data.write(dataset, tmp_path / "tas.nc", zlib=True))
    with pytest.raises(SourceError) as caught:
        compute(variables(path), [{"name": "CDAT.subset", "result": "s", "input": ["v0"]}])
    assert str(path) in caught.value.message
    assert caught.value.locator == "variable"
    out = tmp_path / "out"
    assert not out.exists() or list(out.iterdir()) == []


def damaged(path):
    """Overwrite the middle of a file, where its data are, and return the path."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 2)
        file.write(b"\x00" * (size // 4))
    return path


def test_an_error_of_a_step_says_which(compute, tmp_path):
    (path,) = data.tas_files(tmp_path, [(2000,)])
    with pytest.raises(InvalidInput, match=r"CDAT.mean \(m\).*depth") as caught:
        compute(
            variables(path),
            [{"name": "CDAT.mean", "result": "m", "input": ["v0"], "axes": "depth"}],
        )
    assert caught.value.locator


@pytest.mark.parametrize(("calendar", "years"), [("360_day", (2000,)), ("noleap", (0, 1))])
def test_odd_calendars_keep_their_times(compute, tmp_path, calendar, years):
    units = "days since 0001-01-01"
    path = data.write(data.tas(years, calendar, units=units), tmp_path / "tas.nc")
    (output,) = compute(
        variables(path), [{"name": "CDAT.mean", "result": "m", "input": ["v0"], "axes": "x|y"}]
    )
    found = opened(output)
    np.testing.assert_array_equal(found.time.values, data.tas(years, calendar).time.values)
    assert found.time.encoding["calendar"] == calendar
    assert found.time.encoding["units"] == units


def test_a_result_may_be_one_number(compute, tmp_path):
    (path,) = data.tas_files(tmp_path, [(2000,)])
    (output,) = compute(variables(path), [{"name": "CDAT.mean", "result": "m", "input": ["v0"]}])
    found = opened(output)
    assert found.tas.shape == ()
    assert found.tas == data.tas((2000,)).tas.mean(dtype="float64")


def test_groups_are_reduced_to_bins(compute, tmp_path):
    (path,) = data.tas_files(tmp_path, [(2000,)])
    (output,) = compute(
        variables(path),
        [
            {
                "name": "CDAT.groupby_bins",
                "result": "g",
                "input": ["v0"],
                "variable": "lat",
                "bins": "-90|0|90",
            },
            {"name": "CDAT.mean", "result": "m", "input": ["g"]},
        ],
    )
    found = opened(output)
    assert found.tas.sizes["lat_bins"] == 2
    tas = data.tas((2000,)).tas
    np.testing.assert_allclose(
        found.tas.isel(lat_bins=0).mean(), tas.sel(lat=slice(-90, 0)).mean(), rtol=1e-6
    )
