"""NetCDF on plain web servers that behave, and on ones that do not."""

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from compute_tasks.engine import index
from compute_tasks.engine.field import Field
from compute_tasks.errors import SourceError, TooLarge, Transient
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, http, open_source
from compute_tasks.tests import data, servers

POLICY = SourcePolicy(
    allowed_hosts=frozenset({"127.0.0.1"}), backoff=0.001, timeout=10.0, attempts=3
)
# Ten megabytes, so that a file is more than the blocks a small part of it needs.
WRITTEN = data.tas(range(2000, 2010), missing=True, nlat=120, nlon=180)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data.write(WRITTEN, tmp_path / "files" / "tas.nc", chunksizes=(1, 120, 180))
    return tmp_path / "files"


def source(uri: str, folder: Path, policy: SourcePolicy = POLICY, variable: str = "tas"):
    return open_source(Variable("v", variable, uri), policy, workspace=folder.parent / "work")


def local(folder: Path) -> xr.Dataset:
    policy = SourcePolicy(roots=(folder,))
    return open_source(Variable("v", "tas", str(folder / "tas.nc")), policy).compute()


def test_a_part_of_a_file_is_read_without_the_rest(folder):
    with servers.web(servers.files(folder)) as web:
        opened = source(f"{web.url}/tas.nc", folder)
        xr.testing.assert_equal(opened.isel(time=3).compute(), local(folder).isel(time=3))
        asked = [tuple(map(int, text[6:].split("-"))) for text in web.ranges()]
    assert sum(end - start + 1 for start, end in asked) < (folder / "tas.nc").stat().st_size
    assert not (folder.parent / "work").exists()


def test_a_whole_file_comes_through_ranges_as_it_is(folder):
    with servers.web(servers.files(folder)) as web:
        xr.testing.assert_identical(source(f"{web.url}/tas.nc", folder).compute(), local(folder))
        assert len(web.requests) == len(web.ranges())


def test_without_ranges_a_file_is_downloaded_once(folder):
    with servers.web(servers.files(folder, ranges=False)) as web:
        for _ in range(2):
            opened = source(f"{web.url}/tas.nc", folder)
        xr.testing.assert_identical(opened.compute(), local(folder))
    assert len(list((folder.parent / "work" / "downloads").iterdir())) == 1


def test_classic_files_are_downloaded(folder):
    data.write(data.pr(), folder / "pr.nc", format="NETCDF3_CLASSIC")
    with servers.web(servers.files(folder)) as web:
        opened = source(f"{web.url}/pr.nc", folder, variable="pr")
        xr.testing.assert_allclose(opened.compute(), data.pr())


def test_a_workspace_is_not_needed(folder):
    with servers.web(servers.files(folder, ranges=False)) as web:
        opened = open_source(Variable("v", "tas", f"{web.url}/tas.nc"), POLICY)
        xr.testing.assert_identical(opened.compute(), local(folder))


@pytest.mark.parametrize("announced", [True, False])
def test_a_download_above_the_limit_is_refused_with_both_numbers(folder, announced):
    files = servers.files(folder, ranges=False)

    def respond(request):
        answer = files(request)
        if announced:
            return answer
        chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(answer.body), answer.body)
        headers = {"Transfer-Encoding": "chunked", "Content-Length": ""}
        return servers.Answer(chunked, headers=headers)

    with servers.web(respond) as web, pytest.raises(TooLarge, match=r" \d+ bytes.* 1000 "):
        source(f"{web.url}/tas.nc", folder, replace(POLICY, download_bytes=1000))
    assert list((folder.parent / "work" / "downloads").iterdir()) == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_server_that_fails_now_and_then_is_asked_again(folder, ranges):
    busy = servers.Answer(b"busy", 503)
    respond = servers.failing(servers.files(folder, ranges=ranges), 2, busy)
    with servers.web(respond) as web:
        xr.testing.assert_identical(source(f"{web.url}/tas.nc", folder).compute(), local(folder))


@pytest.mark.parametrize("ranges", [True, False])
def test_an_answer_that_breaks_off_is_asked_for_again(folder, ranges):
    files = servers.files(folder, ranges=ranges)
    broken = servers.Answer(files(servers.Request("/tas.nc", {})).body, sent=2000)
    with servers.web(servers.failing(files, 1, broken)) as web:
        xr.testing.assert_identical(source(f"{web.url}/tas.nc", folder).compute(), local(folder))


def test_a_server_that_keeps_failing_is_named_with_what_it_said(folder):
    with servers.web(lambda _: servers.Answer(b"", 503)) as web:
        uri = f"{web.url}/tas.nc"
        with pytest.raises(Transient, match=rf"{uri}: the server answered 503.*tried 3 times"):
            source(uri, folder)
        assert len([r for r in web.requests if r.path == "/tas.nc"]) == 3


def test_a_failure_while_data_are_computed_keeps_its_kind(folder):
    files, broken = servers.files(folder), threading.Event()
    busy = servers.Answer(b"", 503)
    with servers.web(lambda r: busy if broken.is_set() else files(r)) as web:
        opened = source(f"{web.url}/tas.nc", folder)
        broken.set()
        with pytest.raises(Transient, match="answered 503"):
            _ = opened.tas.values


def test_a_failure_while_a_file_is_opened_keeps_its_kind(folder):
    files, first = servers.files(folder), iter(range(1))
    busy = servers.Answer(b"", 503)

    def respond(request):
        return busy if next(first, None) is None else files(request)

    with servers.web(respond) as web, pytest.raises(Transient, match="answered 503"):
        source(f"{web.url}/tas.nc", folder)


def test_a_file_that_changes_between_two_reads_is_not_mixed(folder):
    with servers.web(servers.files(folder)) as web:
        opened = source(f"{web.url}/tas.nc", folder)
        data.write(WRITTEN + 1, folder / "tas.nc", chunksizes=(1, 120, 180))
        with pytest.raises(SourceError, match="changed on the server"):
            _ = opened.tas.values


def test_a_silent_server_is_given_up_on(folder):
    released = threading.Event()

    def respond(_):
        released.wait(30)
        return servers.Answer()

    policy = replace(POLICY, timeout=0.2, attempts=1)
    with servers.web(respond) as web:
        try:
            with pytest.raises(Transient, match=r"silent for 0\.2 s"):
                source(f"{web.url}/tas.nc", folder, policy)
        finally:
            released.set()


def test_a_server_that_is_not_there_is_said_to_fail(folder):
    with servers.web(lambda _: servers.Answer()) as web:
        pass
    with pytest.raises(Transient, match="the connection failed"):
        source(f"{web.url}/tas.nc", folder)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (servers.Answer(b"", 404), "404: no such file there"),
        (servers.Answer(b"", 401), "401: it wants a login"),
        (servers.Answer(b"<html>Please log in</html>"), "is a web page .a login"),
        (servers.Answer(b"GRIB"), "is a GRIB file"),
        (servers.Answer(b""), "is an empty file"),
    ],
)
def test_what_comes_instead_of_data_is_told(folder, answer, said):
    with servers.web(lambda _: answer) as web, pytest.raises(SourceError, match=said) as error:
        source(f"{web.url}/tas.nc", folder)
    assert not isinstance(error.value, Transient)
    assert f"{web.url}/tas.nc" in error.value.message


def test_a_truncated_remote_file_is_refused(folder):
    whole = (folder / "tas.nc").read_bytes()
    (folder / "tas.nc").write_bytes(whole[:-1000])
    said = f"truncated: it has {len(whole) - 1000} bytes"
    with servers.web(servers.files(folder)) as web, pytest.raises(SourceError, match=said):
        source(f"{web.url}/tas.nc", folder)


def test_a_program_may_end_with_a_remote_file_still_open(folder):
    program = (
        "import sys; from compute_tasks.model import Variable;"
        "from compute_tasks.sources import SourcePolicy, open_source;"
        "policy = SourcePolicy(allowed_hosts=frozenset({'127.0.0.1'}));"
        "opened = open_source(Variable('v', 'tas', sys.argv[1]), policy);"
        # Python does not take everything down when it ends; a reference too many shows that.
        "import ctypes; ctypes.pythonapi.Py_IncRef(ctypes.py_object(opened));"
        "print(opened.tas.isel(time=1).max().compute().dtype)"
    )
    with servers.web(servers.files(folder)) as web:
        command = [sys.executable, "-c", program, f"{web.url}/tas.nc"]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, "float32"), ended.stderr


def test_a_remote_file_reads_like_a_local_one(folder):
    content = (folder / "tas.nc").read_bytes()
    with servers.web(servers.files(folder)) as web:
        uri = f"{web.url}/tas.nc"
        version = http.probe(uri, POLICY, 1)
        file = http.RangeFile(http.Ranges(uri, version, POLICY))
        for start, length in [(0, 10), (http.BLOCK - 3, 7), (len(content) - 5, 50), (1, 10**9)]:
            file.seek(start)
            assert file.read(length) == content[start : start + length]
        assert file.seek(-4, 2) == len(content) - 4
        assert file.read() == content[-4:]
        assert file.read(1) == b""


def test_only_the_chunks_that_are_needed_are_asked_for(folder):
    size = (folder / "tas.nc").stat().st_size
    with servers.web(servers.files(folder)) as web:
        opened = source(f"{web.url}/tas.nc", folder)
        assert isinstance(opened.tas.variable.data, Field)
        before = len(web.ranges())
        one = opened.tas.isel(time=3)
        np.testing.assert_array_equal(one.values, local(folder).tas.isel(time=3))
        asked = [r.removeprefix("bytes=").split("-") for r in web.ranges()[before:]]
    assert 0 < sum(int(end) + 1 - int(start) for start, end in asked) < size / 4


def test_a_remote_file_is_indexed_once(folder, tmp_path, monkeypatch):
    policy = replace(POLICY, indexes=tmp_path / "indexes")
    with servers.web(servers.files(folder)) as web:
        first = source(f"{web.url}/tas.nc", folder, policy).tas.values
        monkeypatch.setattr(index, "index_hdf5", lambda *_: pytest.fail("indexed again"))
        again = source(f"{web.url}/tas.nc", folder, policy)
        np.testing.assert_array_equal(again.tas.values, first)


FULL = """
import sys
from pathlib import Path
from compute_tasks.errors import NoSpace
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, open_source

workspace, uri = Path(sys.argv[1]), sys.argv[2]
try:
    policy = SourcePolicy(allowed_hosts=frozenset({"127.0.0.1"}))
    open_source(Variable("v", "tas", uri), policy, workspace=workspace)
except NoSpace as error:
    sys.exit(f"{error.message} {list((workspace / 'downloads').iterdir())}")
"""


def test_a_disk_that_is_full_in_the_middle_of_a_download_is_said(folder, tmp_path):
    """The disk is a small one in memory, seen by a child process only."""
    small = tmp_path / "small"
    small.mkdir()
    mount = f"mount -t tmpfs -o size=2m tmpfs {small} && exec "
    inside = ["unshare", "--mount", "--map-root-user", "sh", "-c", f'{mount} "$@"', "sh"]
    with servers.web(servers.files(folder, ranges=False)) as web:
        uri = f"{web.url}/tas.nc"
        command = [sys.executable, "-c", FULL, str(small), uri]
        try:
            done = subprocess.run([*inside, *command], capture_output=True, text=True, timeout=60)
        except FileNotFoundError:
            pytest.skip("needs unshare")
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip("needs a mount of its own")
    assert f"{uri} has to be downloaded whole, and the disk of this server is full" in done.stderr
    assert done.stderr.rstrip().endswith("[]")
