"""Local files: what may be opened, what is said of the rest."""

import json
import os
import struct
from pathlib import Path

import dask
import h5py
import pytest
import xarray as xr

from compute_tasks.engine.field import Field
from compute_tasks.errors import InvalidInput, MissingInput, SourceError, SourceRefused, TooLarge
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, open_source
from compute_tasks.tests import data


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    folder.mkdir()
    return folder


def source(uri: object, root: Path, variable: str = "tas", **options: object) -> xr.Dataset:
    policy = SourcePolicy(roots=(root,), **options)  # type: ignore[arg-type]
    return open_source(Variable("v", variable, str(uri)), policy)


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT"])
def test_a_file_comes_back_as_it_was_written(root, format):
    written = data.tas(missing=True, calendar="360_day")
    opened = source(data.write(written, root / "tas.nc", format=format), root)
    xr.testing.assert_allclose(opened.compute(), written)
    assert opened.attrs == written.attrs
    assert list(opened.data_vars) == ["tas"]
    assert {"time_bnds", "lat_bnds", "lon_bnds", "height"} <= set(opened.coords)


def test_opening_reads_no_data(root):
    path = data.write(data.tas(), root / "tas.nc")
    with dask.config.set(scheduler=lambda *_, **__: pytest.fail("data were read")):
        opened = source(path, root)
    assert isinstance(opened.tas.variable.data, Field)


def test_the_uri_is_kept_as_given(root):
    data.write(data.tas(), root / "tas.nc")
    assert source("tas.nc", root).encoding["source"] == "tas.nc"


@pytest.mark.parametrize("form", ["{path}", "file://{path}", "file://localhost{path}", "tas.nc"])
def test_a_path_may_be_given_in_several_forms(root, form):
    path = data.write(data.tas(), root / "tas.nc")
    assert "tas" in source(form.format(path=path), root)


def test_a_relative_path_is_found_under_any_root(root, tmp_path):
    data.write(data.tas(), tmp_path / "second" / "sub" / "tas.nc")
    policy = SourcePolicy(roots=(root, tmp_path / "second"))
    assert "tas" in open_source(Variable("v", "tas", "sub/tas.nc"), policy)


def test_a_place_outside_is_refused_whether_or_not_something_is_there(root, tmp_path):
    there = data.write(data.tas(), tmp_path / "secret.nc")
    texts = []
    for path in (there, tmp_path / "absent.nc", root / ".." / "secret.nc"):
        with pytest.raises(SourceRefused, match="COMPUTE_DATA_ROOTS") as refusal:
            source(path, root)
        texts.append(refusal.value.message.replace(str(path), "PATH"))
        assert refusal.value.locator == "variable"
    assert len(set(texts)) == 1
    assert str(root) not in texts[0]


def test_a_link_that_leaves_the_root_is_refused(root, tmp_path):
    data.write(data.tas(), tmp_path / "secret.nc")
    (root / "link.nc").symlink_to(tmp_path / "secret.nc")
    (root / "loop.nc").symlink_to(root / "loop.nc")
    for name in ("link.nc", "loop.nc"):
        with pytest.raises(SourceRefused):
            source(root / name, root)


def test_a_link_inside_the_root_is_followed(root):
    data.write(data.tas(), root / "tas.nc")
    (root / "latest.nc").symlink_to("tas.nc")
    assert "tas" in source(root / "latest.nc", root)


def test_zarr_folders_are_read(root):
    written = data.tas(missing=True)
    written.to_zarr(root / "tas.zarr", zarr_format=2)
    opened = source(root / "tas.zarr", root)
    assert opened.tas.chunks is not None
    xr.testing.assert_allclose(opened.compute(), written)


def test_a_mapped_archive_address_is_read_locally(root, tmp_path):
    path = data.write(data.tas(), tmp_path / "css03" / "a b" / "tas.nc")
    mapping = tmp_path / "mapping.json"
    part = "archive.invalid/fileServer/css03"
    mapping.write_text(json.dumps({"mounts": [], "mapping": {part: str(tmp_path / "css03")}}))
    uri = f"https://{part}/a%20b/tas.nc"
    opened = source(uri, root, mapping=mapping)
    xr.testing.assert_allclose(opened.compute(), data.tas())
    assert opened.encoding["source"] == uri
    assert "tas" in source(path, root, mapping=mapping)


@pytest.mark.parametrize("rest", ["absent.nc", "../secret.nc", "..%2Fsecret.nc"])
def test_a_mapped_address_without_a_file_in_its_folder_is_remote(root, tmp_path, rest):
    data.write(data.tas(), tmp_path / "secret.nc")
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"mapping": {"host.invalid/data": str(tmp_path / "css03")}}))
    with pytest.raises(SourceError, match=r"host 'host\.invalid' cannot be resolved"):
        source(f"http://host.invalid/data/{rest}", root, mapping=mapping)


def test_an_unusable_mapping_is_said_without_its_path(root, tmp_path):
    (tmp_path / "mapping.json").write_text("{")
    with pytest.raises(SourceError, match="COMPUTE_URL_MAPPING") as error:
        source("tas.nc", root, mapping=tmp_path / "mapping.json")
    assert str(tmp_path) not in error.value.message


PP = struct.pack(">i", 256) + bytes(256) + struct.pack(">i", 256)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is an empty file"),
        (b"GRIB\0\0\0\2", "is a GRIB file"),
        (PP, "is a Met Office PP file"),
        (b"\x0e\x03\x13\x01rest", "is an HDF4 file"),
        (b"\n<!DOCTYPE html><title>Login</title>", "is a web page"),
        (b"\x1f\x8b\x08", "is a gzip-compressed file"),
        (b"year,month\n", "is not NetCDF"),
        (b"CDF\x01\0\0", "is a damaged NetCDF-3 file: the header is cut off"),
        (b"\x89HDF\r\n\x1a\n" + b"junk" * 20, "cannot be read"),
    ],
)
def test_what_is_not_netcdf_is_called_by_its_name(root, content, said):
    (root / "x.nc").write_bytes(content)
    with pytest.raises(SourceError, match=f"^x.nc {said}") as error:
        source("x.nc", root)
    assert str(root) not in error.value.message


@pytest.mark.parametrize("format", ["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_DATA"])
def test_a_truncated_file_is_refused_with_both_lengths(root, format):
    path = data.write(data.tas(), root / "tas.nc", format=format)
    whole = path.stat().st_size
    os.truncate(path, whole - 100)
    with pytest.raises(SourceError, match=f"truncated: it has {whole - 100} bytes .* {whole}"):
        source("tas.nc", root)


def test_damage_inside_the_data_is_noticed_when_they_are_computed(root):
    path = data.write(data.tas(), root / "tas.nc", zlib=True, fletcher32=True, complevel=0)
    content = path.read_bytes()
    first = data.tas().tas.values[0].tobytes()
    at = content.index(first)
    path.write_bytes(content[: at + 8] + b"\xff" * 8 + content[at + 16 :])
    opened = source("tas.nc", root)
    with pytest.raises(SourceError, match=r"tas\.nc: variable .tas., chunk .*damaged"):
        opened.tas.mean().compute()


def test_a_file_that_keeps_its_data_in_another_file_is_refused(root, tmp_path):
    (tmp_path / "secret").write_bytes(b"password")
    with h5py.File(root / "raw.nc", "w") as file:
        places = [(str(tmp_path / "secret"), 0, 8)]
        file.create_dataset("tas", (8,), "i1", external=places)
    with h5py.File(root / "link.nc", "w") as file:
        file["tas"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/x")
    with h5py.File(root / "soft.nc", "w") as file:
        file["outside"] = h5py.ExternalLink(str(tmp_path / "other.h5"), "/")
        file["tas"] = h5py.SoftLink("/outside/x")
    with h5py.File(root / "virtual.nc", "w") as file:
        layout = h5py.VirtualLayout((8,), "i1")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (8,))
        file.create_virtual_dataset("tas", layout)
    for name in ("raw.nc", "link.nc", "soft.nc", "virtual.nc"):
        with pytest.raises(
            SourceRefused, match=f"^{name} refers to data in other files .*tas"
        ) as e:
            source(name, root)
        assert str(tmp_path) not in e.value.message


def test_an_axis_too_long_to_be_read_whole_is_refused(root):
    with h5py.File(root / "long.nc", "w") as file:
        axis = file.create_dataset("x", (2**40,), "f8", chunks=(2**20,))
        axis.make_scale("x")
    with pytest.raises(TooLarge, match="axis 'x'"):
        source("long.nc", root)


def test_an_absent_file_and_a_plain_folder_are_said_so(root):
    with pytest.raises(SourceError, match=r"^absent\.nc does not exist$"):
        source("absent.nc", root)
    (root / "folder").mkdir()
    with pytest.raises(SourceError, match="holds no Zarr data"):
        source("folder", root)
    os.mkfifo(root / "pipe.nc")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        source("pipe.nc", root)


def test_an_unknown_variable_is_answered_with_those_there_are(root):
    data.write(xr.merge([data.tas(), data.pr()], compat="override"), root / "two.nc")
    with pytest.raises(SourceError, match=r"two\.nc has no variable 'ta'.*: pr, tas$"):
        source("two.nc", root, "ta")


def test_an_axis_is_not_data_but_bounds_are(root):
    data.write(data.tas(), root / "tas.nc")
    with pytest.raises(InvalidInput, match=r"'lat' of tas\.nc is an axis.*: tas$"):
        source("tas.nc", root, "lat")
    assert source("tas.nc", root, "lat_bnds").lat_bnds[0].values.tolist() == [-90, -60]


@pytest.mark.parametrize(
    ("uri", "kind"),
    [
        ("ftp://host/tas.nc", InvalidInput),
        ("gopher://host/tas.nc", InvalidInput),
        ("file://host/tas.nc", InvalidInput),
        ("http://user:secret@host/tas.nc", InvalidInput),
        ("http:///tas.nc", InvalidInput),
        ("http://[/tas.nc", InvalidInput),
        ("file://[/tas.nc", InvalidInput),
        ("  ", MissingInput),
        ("a\0b.nc", SourceError),
    ],
)
def test_an_address_that_cannot_be_used_is_refused(root, uri, kind):
    with pytest.raises(kind) as error:
        source(uri, root)
    assert "secret" not in error.value.message
