"""Downloads over HTTP: whole, in ranges, conditional."""

import io
from email.utils import formatdate

import h5py
import pytest
import requests


@pytest.fixture(scope="module")
def url(data_server):
    return data_server.file_server("fields.nc")


@pytest.fixture(scope="module")
def content(data_server):
    return (data_server.folder / "fields.nc").read_bytes()


def get(url, method="GET", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return requests.request(method, url, headers=names, timeout=10)


def test_the_whole_file_arrives_with_its_headers(url, content):
    response = get(url)
    assert response.status_code == 200
    assert response.content == content
    assert response.headers["Content-Type"] == "application/netcdf"
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["Content-Disposition"] == 'attachment; filename="fields.nc"'
    assert response.headers["Accept-Ranges"] == "bytes"


def test_a_result_of_another_kind_downloads_too(data_server):
    response = get(data_server.file_server("table.csv"))
    assert response.text == "year,tas\n2000,288.1\n"
    assert response.headers["Content-Type"] == "text/csv"
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_head_gives_the_headers_alone(url, content):
    response = get(url, "HEAD")
    assert response.content == b""
    assert response.headers["Content-Length"] == str(len(content))
    assert response.headers["ETag"] == get(url).headers["ETag"]


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-7", slice(-7, None)),
        ("bytes=5-99999999", slice(5, None)),
        ("bytes=-99999999", slice(0, None)),
        ("bytes=3-3", slice(3, 4)),
    ],
)
def test_a_range_is_answered_with_that_part(url, content, asked, part):
    response = get(url, Range=asked)
    assert response.status_code == 206
    assert response.content == content[part]
    first = range(len(content))[part][0]
    wanted = f"bytes {first}-{first + len(response.content) - 1}/{len(content)}"
    assert response.headers["Content-Range"] == wanted
    assert response.headers["Content-Length"] == str(len(response.content))


def test_a_range_beyond_the_end_is_refused_with_the_size(url, content):
    response = get(url, Range=f"bytes={len(content)}-")
    assert response.status_code == 416
    assert response.headers["Content-Range"] == f"bytes */{len(content)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "bytes=9-3", "bytes=x", "lines=0-1", "bytes"])
def test_what_is_not_one_range_gets_the_whole_file(url, content, asked):
    response = get(url, Range=asked)
    assert response.status_code == 200
    assert response.content == content


def test_a_range_of_another_version_gets_the_whole_file(url, content):
    headers = get(url).headers
    for version in (headers["ETag"], headers["Last-Modified"]):
        assert get(url, Range="bytes=0-9", If_Range=version).status_code == 206
    for version in ('"other"', f"W/{headers['ETag']}", formatdate(0, usegmt=True)):
        response = get(url, Range="bytes=0-9", If_Range=version)
        assert response.status_code == 200
        assert response.content == content


def test_what_the_client_has_is_not_sent_again(url):
    headers = get(url).headers
    for condition in (
        {"If_None_Match": headers["ETag"]},
        {"If_None_Match": f'"other", {headers["ETag"]}'},
        {"If_Modified_Since": headers["Last-Modified"]},
    ):
        response = get(url, **condition)
        assert response.status_code == 304
        assert response.content == b""
    assert get(url, If_None_Match='"other"').status_code == 200
    assert get(url, If_Match='"other"').status_code == 412


class RangedFile(io.RawIOBase):
    """A remote file that fetches each read by a range request."""

    def __init__(self, url):
        self.url = url
        self.size = int(get(url, "HEAD").headers["Content-Length"])
        self.position = 0

    def readable(self):
        return True

    def seekable(self):
        return True

    def tell(self):
        return self.position

    def seek(self, offset, whence=io.SEEK_SET):
        self.position = offset + {0: 0, 1: self.position, 2: self.size}[whence]
        return self.position

    def readinto(self, buffer):
        part = get(self.url, Range=f"bytes={self.position}-{self.position + len(buffer) - 1}")
        assert part.status_code == 206
        buffer[: len(part.content)] = part.content
        self.position += len(part.content)
        return len(part.content)


def test_h5py_reads_it_through_ranges(url):
    with h5py.File(RangedFile(url)) as dataset:
        assert dataset["tas"].shape == (20, 6, 8)
        assert dataset["height"][()] == 2.0


@pytest.mark.parametrize(
    "path",
    [
        "someone/job1/none.nc",
        "someone/job1/.hidden.nc",
        "someone/job1/.unfinished.nc.part",
        "someone/job1/leads_out.nc",
        "someone/job1/",
        "someone/job1",
        "someone/job1/folder.nc",
        "someone/../someone/job1/fields.nc",
        "someone/job1/%2e%2e/job1/fields.nc",
        "%2e%2e/compute.sqlite3",
        "..%2f..%2fetc/passwd",
        "someone/job1/fields.nc%00",
        "//etc/passwd.nc",
        "someone/job1/fields.nc/",
    ],
)
def test_nothing_else_is_served_and_no_path_is_told(data_server, path):
    (data_server.folder / ".hidden.nc").touch()
    (data_server.folder / ".unfinished.nc.part").touch()
    (data_server.folder / "folder.nc").mkdir(exist_ok=True)
    outside = data_server.folder.parents[2] / "outside.nc"
    outside.touch()
    link = data_server.folder / "leads_out.nc"
    if not link.is_symlink():
        link.symlink_to(outside)
    session = requests.Session()
    request = requests.Request("GET", "http://unused").prepare()
    request.url = f"{data_server.url}/data/fileServer/{path}"
    response = session.send(request, timeout=10)
    assert response.status_code == 404
    assert str(data_server.folder.parents[2]) not in response.text


def test_results_cannot_be_changed(url):
    for method in ("POST", "PUT", "DELETE"):
        assert get(url, method).status_code == 405
