import netCDF4
import numpy as np
import pytest
import xarray as xr
from click.testing import CliRunner

from compute.cli.main import main
from compute.demo.archive import make_archive
from compute.demo.check import DifferenceError, compare, direct
from compute.demo.request import archive_request, own_request
from compute.demo.server import ServiceError, service


def demo(*arguments):
    return CliRunner().invoke(main, ["demo", *map(str, arguments)])


def write(path, **variables):
    xr.Dataset(variables).to_netcdf(path)
    return str(path)


def test_the_archive_looks_like_cmip6(archive):
    names = sorted(path.name for path in archive.iterdir())
    assert len(names) == 5
    assert names[2] == "tas_day_DEMO-ESM1_historical_r1i1p1f1_gn_19900101-19921231.nc"
    with netCDF4.Dataset(archive / names[2]) as file:
        tas = file["tas"]
        assert tas.chunking() == [1, 96, 144]
        assert tas.filters()["zlib"]
        assert tas.filters()["shuffle"]
        assert tas._FillValue == tas.missing_value == np.float32(1e20)
        assert file["time"].calendar == "noleap"
        assert file["time"].bounds == "time_bnds"
        assert file["lat"].bounds == "lat_bnds"
        assert file.mip_era == "CMIP6"
        assert file.variable_id == "tas"
        assert 200 < tas[:].min() < tas[:].max() < 330


def test_the_files_follow_on_one_another(archive):
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    files = sorted(archive.glob("tas_*"))
    options = {"data_vars": "minimal", "coords": "minimal", "compat": "override"}
    with xr.open_mfdataset(files, decode_times=coder, **options) as data:
        assert data.sizes["time"] == 9 * 365
        assert np.all(np.diff(data.time.values) == data.time.values[1] - data.time.values[0])


def test_air_below_the_ground_is_missing(archive):
    with xr.open_dataset(next(archive.glob("ta_*")), decode_times=False) as data:
        missing = data.ta.isnull().mean(("time", "lat", "lon"))
        assert 0 < missing.sel(plev=92500) < 0.5
        assert missing.sel(plev=10000) == 0


def test_precipitation_is_never_negative(archive):
    with xr.open_dataset(next(archive.glob("pr_*")), decode_times=False) as data:
        assert float(data.pr.min()) >= 0
        assert float(data.pr.max()) > 0


def test_the_archive_is_made_only_once(archive):
    before = {path: path.stat().st_mtime_ns for path in archive.iterdir()}
    make_archive(archive)
    assert {path: path.stat().st_mtime_ns for path in archive.iterdir()} == before


def test_a_wrong_number_is_noticed(archive):
    right = direct(archive_request(sorted(archive.iterdir())))["map"]
    assert compare(right, right, "map") == 0
    wrong = right.copy(data=right.values.copy())
    wrong[3, 4] += 0.1
    with pytest.raises(DifferenceError, match="map: differs"):
        compare(right, wrong, "map")
    with pytest.raises(DifferenceError, match="map: other cells are missing"):
        compare(right, right.where(right > right.min()), "map")
    with pytest.raises(DifferenceError, match="map: shape"):
        compare(right, right[1:], "map")


def test_axes_are_chosen_by_what_is_there(tmp_path):
    path = write(
        tmp_path / "own.nc",
        field=(("t", "cell"), np.zeros((2, 3))),
        t=("t", [0.0, 1.0], {"standard_name": "time", "units": "days since 2000-01-01"}),
        flat=(("cell",), np.zeros(3)),
        scalar=((), 1.0),
    )
    assert own_request(path, "field").means == {"map": ("t",), "series": ("cell",)}
    assert own_request(path, "flat").means == {"mean": ("cell",)}
    with pytest.raises(ValueError, match="a single number"):
        own_request(path, "scalar")
    with pytest.raises(ValueError, match="no variable 'tas'; there are field, flat, scalar"):
        own_request(path, "tas")


@pytest.mark.integration
def test_the_demo_goes_the_whole_way(archive, tmp_path):
    (tmp_path / "archive").symlink_to(archive)
    answer = demo("--data-dir", tmp_path)
    assert answer.exit_code == 0, answer.output
    for text in (
        "5 files",
        "/wps",
        "100 %",
        "/data/dodsC/",
        "/data/fileServer/",
        "equals xarray's",
    ):
        assert text in answer.output
    assert (tmp_path / "demo.png").read_bytes().startswith(b"\x89PNG")
    assert "serve  | stopped" in (tmp_path / "serve.log").read_text()


@pytest.mark.integration
def test_the_demo_takes_a_file_of_ones_own(tmp_path):
    path = write(
        tmp_path / "own.nc",
        t2m=(
            ("time", "level", "y", "x"),
            np.arange(48.0).reshape(4, 2, 2, 3),
            {"units": "K", "long_name": "Temperature"},
        ),
        time=("time", np.arange(4) * 30, {"units": "days since 0000-01-01", "calendar": "360_day"}),
    )
    answer = demo("--data", path, "--variable", "t2m", "--data-dir", tmp_path / "demo")
    assert answer.exit_code == 0, answer.output
    assert "equals xarray's" in answer.output
    assert (tmp_path / "demo" / "demo.png").exists()


@pytest.mark.parametrize(
    ("file", "text", "code"),
    [
        ("nowhere.nc", "there is no file nowhere.nc", 2),
        (__file__, f"{__file__} is not NetCDF", 1),
    ],
)
def test_a_file_that_cannot_be_read_ends_the_demo_with_a_text(tmp_path, file, text, code):
    answer = demo("--data", file, "--variable", "tas", "--data-dir", tmp_path)
    assert answer.exit_code == code
    assert text in answer.output
    assert "Traceback" not in answer.output


@pytest.mark.integration
def test_a_service_that_does_not_start_is_shown_with_its_log(tmp_path):
    with (
        pytest.raises(ServiceError, match="COMPUTE_WEB_THREADS"),
        service(tmp_path, {"COMPUTE_WEB_THREADS": "none"}) as running,
    ):
        pytest.fail(f"it started: {running}")
