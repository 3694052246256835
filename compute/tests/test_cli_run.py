"""`compute run`: from the command line to a file, with its exit codes."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import netCDF4
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from compute.cli.request_options import from_file, from_options
from compute.cli.run import run
from compute_tasks.errors import InvalidInput
from compute_tasks.model import CRS, Dimension
from compute_tasks.tests import data
from compute_wps.protocol import xml


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with three yearly files in `in`."""
    data.tas_files(tmp_path / "in", [(2000,), (2001,), (2002,)])
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(folder):
    """Return a function that runs the command in the folder."""
    return lambda *arguments: CliRunner().invoke(run, [str(a) for a in arguments])


def files(*years):
    return ",".join(f"in/tas_Amon_TEST_historical_r1i1p1f1_gn_{y}01-{y}12.nc" for y in years)


def left(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "in")


def dimensions(*domains):
    workflow = from_options("CDAT.subset", ["a.nc:tas"], domains, [])
    return list(workflow.domains["domain"].dimensions)


def test_several_files_are_joined_then_cut(command, folder):
    result = command(
        "CDAT.subset",
        *("--input", f"{files(2000, 2001, 2002)}:tas"),
        *("--domain", "lat=-50,50", "--domain", "time=2001,2002-03"),
        *("-o", "out.nc"),
    )
    assert (result.exit_code, result.stdout) == (0, "out.nc\n"), result.output
    assert "opening 3 files" in result.stderr
    found = xr.open_dataset("out.nc", decode_times=False)
    assert found.tas.shape == (15, 4, 8)
    years = [data.tas((y,)).tas for y in (2001, 2002)]
    expected = xr.concat(years, "time").isel(time=slice(0, 15)).sel(lat=slice(-50, 50))
    np.testing.assert_array_equal(found.tas, expected)
    assert left(folder) == ["out.nc"]


def test_what_streams_and_what_does_not_is_explained_without_computing(command, folder):
    mean = ("CDAT.mean", "--input", f"{files(2000, 2001)}:tas", "--param", "axes=time")
    streamed = command(*mean, "--explain")
    assert streamed.exit_code == 0, streamed.output
    assert streamed.stdout == (
        "tas: streamed, mean over time of 2 files\nreads 4,608 bytes of numbers, writes 384\n"
    )
    lazy = command("CDAT.percentile", *mean[1:], "--param", "q=50", "--explain")
    reason = "by xarray and dask, because CDAT.percentile does not stream"
    assert lazy.stdout.splitlines()[0] == f"tas: {reason}"
    assert left(folder) == []


def test_each_input_of_two_is_joined_by_itself(command):
    result = command(
        *("CDAT.subtract", "--input", f"{files(2000, 2001)}:tas"),
        *("--input", f"{files(2000, 2001)}:tas", "-o", "zero.nc", "-q"),
    )
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    zero = xr.open_dataset("zero.nc", decode_times=False).tas
    assert zero.sizes["time"] == 24
    assert (zero == 0).all()


def test_a_process_of_many_inputs_takes_each_file_as_one():
    workflow = from_options("CDAT.aggregate", ["a.nc,b.nc:tas", "c.nc:tas"], [], [])
    assert [o.inputs for o in workflow.operations.values()] == [("v0", "v1", "v2")]


def test_without_a_name_the_file_is_named_after_process_and_period(command, folder):
    result = command("CDAT.mean", "--input", f"{files(2000)}:tas", "--param", "axes=lat|lon")
    (name,) = left(folder)
    assert name.startswith("CDAT.mean_mean_")
    assert name.endswith("_20000116-20001216.nc")
    assert result.stdout == f"{name}\n"


def test_netcdf3_and_threads_are_options(command):
    result = command(
        *("CDAT.max", "--input", f"{files(2000)}:tas", "--format", "netcdf3"),
        *("--threads", 1, "-o", "out.nc"),
    )
    assert result.exit_code == 0, result.output
    assert netCDF4.Dataset("out.nc").data_model == "NETCDF3_64BIT_OFFSET"


def test_a_request_file_with_two_results_fills_a_folder(command, folder):
    request = {
        "variable": [{"uri": files(2000), "id": "tas|v0"}],
        "operation": [
            {"name": "CDAT.workflow", "result": "w", "input": ["low", "high"], "axes": "time"},
            {"name": "CDAT.min", "result": "low", "input": ["v0"]},
            {"name": "CDAT.max", "result": "high", "input": ["v0"]},
        ],
    }
    (folder / "request.json").write_text(json.dumps(request))
    result = command("-f", "request.json", "-o", "results")
    assert result.exit_code == 0, result.output
    low, high = (xr.open_dataset(path) for path in result.stdout.split())
    tas = data.tas((2000,)).tas
    np.testing.assert_array_equal(low.tas, tas.min("time"))
    np.testing.assert_array_equal(high.tas, tas.max("time"))
    assert command("-f", "request.json", "-o", "one.nc").exit_code == 2


def test_the_document_in_a_result_is_the_request(command):
    command("CDAT.min", "--input", f"{files(2000)}:tas", "--domain", "lat=0,50", "-o", "first.nc")
    attrs = xr.open_dataset("first.nc", decode_times=False).attrs
    execute = xml.parse(attrs["provenance.wps_document"].encode())
    assert execute.identifier == attrs["provenance.wps_identifier"] == "CDAT.min"
    lists = {i.identifier: json.loads(i.data) for i in execute.inputs}
    Path("again.json").write_text(json.dumps({"identifier": execute.identifier, **lists}))
    assert command("-f", "again.json", "-o", "second.nc").exit_code == 0
    first, second = (xr.open_dataset(f"{n}.nc", decode_times=False) for n in ("first", "second"))
    xr.testing.assert_equal(first, second)


def test_a_range_is_values_dates_positions_or_a_point():
    assert dimensions("lat=20,60", "time=1990,1999-06", "lon=10:20:2", "plev=500") == [
        Dimension("lat", 20.0, 60.0),
        Dimension("time", "1990", "1999-06", 1, CRS.TIMESTAMPS),
        Dimension("lon", 10, 20, 2, CRS.INDICES),
        Dimension("plev", 500.0, 500.0),
    ]


def test_ends_may_be_open_and_positions_may_count_from_the_back():
    assert dimensions("lat=,-20", "lon=10,", "time=-5:", "x=1e-3") == [
        Dimension("lat", None, -20.0),
        Dimension("lon", 10.0, None),
        Dimension("time", -5, None, 1, CRS.INDICES),
        Dimension("x", 0.001, 0.001),
    ]


def test_addresses_keep_their_colons():
    workflow = from_options("CDAT.mean", ["https://host:8080/a.nc,file:///b.nc:tas"], [], [])
    uris = [v.uri for v in workflow.variables.values()]
    assert uris == ["https://host:8080/a.nc", "file:///b.nc"]
    assert {v.variable for v in workflow.variables.values()} == {"tas"}


def test_local_paths_become_absolute(folder):
    workflow = from_options("CDAT.mean", ["in/a.nc:tas"], [], [])
    assert workflow.variables["v0"].uri == str(folder / "in" / "a.nc")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "name a process"),
        (["CDAT.nap"], 2, "offered are"),
        (["CDAT.subset"], 2, "takes 1 input; it is given 0"),
        (["CDAT.subset", "--input", "a.nc"], 2, "FILE[,FILE...]:VARIABLE"),
        (["CDAT.subset", "--input", "https://host/a.nc"], 2, "FILE[,FILE...]:VARIABLE"),
        (["CDAT.subset", "--input", "GOOD", "--domain", "lat"], 2, "AXIS=START,END"),
        (["CDAT.subset", "--input", "GOOD", "--domain", "lat=1,2,3"], 2, "one or two ends"),
        (["CDAT.subset", "--input", "GOOD", "--domain", "lat=x"], 2, "must be a number"),
        (["CDAT.subset", "--input", "GOOD", "--domain", "id=1"], 2, "id"),
        (
            ["CDAT.subset", "--input", "GOOD", "--domain", "lat=1", "--domain", "lat=2"],
            2,
            "given twice",
        ),
        (["CDAT.subset", "--input", "GOOD", "--domain", "depth=1"], 2, "no axis 'depth'"),
        (["CDAT.subset", "--input", "GOOD", "--domain", "lat=95,99"], 2, "the axis runs from"),
        (["CDAT.subset", "--input", "GOOD", "--param", "colour=red"], 2, "it takes method"),
        (["CDAT.subset", "--input", "GOOD", "-o", "no/such/folder/out.nc"], 2, "no folder"),
        (["CDAT.subset", "--input", "GOOD", "-f", "in"], 2, "-f"),
        (["CDAT.subset", "--input", "none.nc:tas"], 3, "none.nc does not exist"),
        (["CDAT.subset", "--input", f"{files(2000)}:pr"], 3, "data variables are: tas"),
    ],
)
def test_what_is_wrong_is_said_with_an_exit_code_and_leaves_nothing(
    command, folder, arguments, code, said
):
    good = f"{files(2000)}:tas"
    result = command(*[good if argument == "GOOD" else argument for argument in arguments])
    assert result.exit_code == code, result.output
    assert said in result.stderr
    assert "Traceback" not in result.output
    assert left(folder) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        (b"\xff\xfe", "no UTF-8"),
        ("[]", "an object with variable, domain, operation"),
        ('{"variables": []}', "known are identifier, variable"),
        ('{"identifier": 3}', "must be a text"),
        ('{"variable": [{"uri": "a.nc"}]}', "variable[0]"),
    ],
)
def test_a_wrong_request_file_is_refused(text, said):
    with pytest.raises(InvalidInput) as caught:
        from_file(text if isinstance(text, bytes) else text.encode())
    assert said in caught.value.message


@pytest.mark.integration
def test_an_interrupt_ends_with_130_and_leaves_no_file(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}/tas.nc"
        child = subprocess.Popen(
            [
                *(sys.executable, "-c", "from compute.cli.main import main; main()", "run"),
                *("CDAT.subset", "--input", f"{uri}:tas", "-o", "out.nc"),
            ],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        server.settimeout(60)
        connection, _ = server.accept()
        child.send_signal(signal.SIGINT)
        _, stderr = child.communicate(timeout=60)
        connection.close()
    assert child.returncode == 130
    assert stderr.endswith(b"Error: interrupted\n")
    assert list(tmp_path.iterdir()) == []
