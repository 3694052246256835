"""NetCDF files on plain web servers: read in ranges where that works, else downloaded.

One request opens a file: it asks for the first block, and the answer tells whether the server knows
ranges, how long the file is, which version it is and what kind of file.
"""

import functools
import hashlib
import io
import re
import tempfile
import uuid
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import requests
import xarray as xr
from fsspec.caching import BlockCache

from compute_tasks.durable import FULL
from compute_tasks.engine.index import index_distant, index_file
from compute_tasks.engine.layout import FileIndex
from compute_tasks.errors import NoSpace, SourceError, TooLarge, Transient
from compute_tasks.sources import files, network, sniff
from compute_tasks.sources.policy import SourcePolicy

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
"""Bytes read and cached at a time."""
CACHED_BLOCKS = 24
DIRECT = 4 * BLOCK
"""Reads of at least this many bytes are one request and bypass the cache."""
CONTENT_RANGE = re.compile(r"bytes\s+(\d+)-(\d+)/(\d+)$")


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one state of a remote file from another; None where the server does not say."""

    size: int | None
    etag: str | None
    modified: str | None


@dataclass(frozen=True, slots=True)
class Ranges:
    """A remote file in one state, read by range requests, by any number of threads.

    Reading raises SourceError when the file changed since it was opened, Transient when the server
    fails.
    """

    uri: str
    version: Version
    policy: SourcePolicy = field(compare=False, repr=False)

    @property
    def name(self) -> str:
        """The address, which errors name."""
        return self.uri

    @property
    def size(self) -> int:
        """The bytes of the file."""
        return self.version.size or 0

    @property
    def key(self) -> tuple[str | int | None, ...]:
        """What tells this file in this state from all others, if the server tells states apart."""
        return self.uri, self.version.size, self.version.etag, self.version.modified

    def fill(self, out: memoryview, offset: int) -> None:
        """Fill a buffer of bytes with those from `offset` on."""
        out[:] = self.fetch(offset, offset + len(out))

    def fetch(self, start: int, end: int) -> bytes:
        """Return the bytes from `start` up to `end`, or to the end of the file."""
        end = min(end, self.size)
        return network.retried(self.policy, lambda: self._request(start, end))

    def _request(self, start: int, end: int) -> bytes:
        headers = {"Range": f"bytes={start}-{end - 1}"}
        with network.stream(self.uri, self.policy, headers) as response:
            if response.status_code != 206 or version_of(response) != self.version:
                message = f"{self.uri} changed on the server while it was read; please try again"
                raise SourceError(message, locator="variable")
            body = b"".join(bounded(response, end - start))
        if len(body) != end - start:
            message = f"{self.uri}: {len(body)} bytes came where {end - start} were asked"
            raise Transient(message, locator="variable")
        return body


class RangeFile(io.RawIOBase):
    """A remote file that reads as a local one, through a cache of blocks; raises as `Ranges`."""

    def __init__(self, ranges: Ranges) -> None:
        super().__init__()
        self.ranges, self.size = ranges, ranges.size
        self._position = 0
        self._cache = BlockCache(BLOCK, ranges.fetch, self.size, CACHED_BLOCKS)

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in bytes."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position in bytes and return it."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Fill the buffer from the position on; return the number of bytes."""
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self.size)
        length = max(0, end - self._position)
        if length:
            source = self.ranges.fetch if length >= DIRECT else self._cache._fetch
            view[:length] = source(self._position, end)
            self._position = end
        return length


def bounded(response: requests.Response, limit: int) -> list[bytes]:
    """Return the blocks of the body, no more than one block past `limit` bytes."""
    blocks, length = [], 0
    for block in response.iter_content(BLOCK):
        blocks.append(block)
        length += len(block)
        if length > limit:
            break
    return blocks


def version_of(response: requests.Response) -> Version:
    """Return size, ETag and date of the file a response belongs to."""
    headers = response.headers
    size: int | None = None
    if response.status_code == 206:
        found = CONTENT_RANGE.match(headers.get("Content-Range", ""))
        size = int(found[3]) if found else None
    elif headers.get("Content-Length", "").isdigit():
        size = int(headers["Content-Length"])
    return Version(size, headers.get("ETag"), headers.get("Last-Modified"))


def open_http(
    uri: str, policy: SourcePolicy, workspace: Path | None, ranged: Version | None
) -> tuple[xr.Dataset, FileIndex | None]:
    """Open a NetCDF file on a web server, undecoded, with the index of its chunks if it has one.

    `ranged`, from `probe`, is the version to read in ranges. Without one the file is downloaded
    into the workspace; TooLarge above policy.download_bytes. Raises SourceError for a damaged file.
    """
    if ranged is None:
        path = network.retried(policy, lambda: _download(uri, policy, workspace))
        return files.open_netcdf(path, uri), index_file(path)
    ranges = Ranges(uri, ranged, policy)
    file = cast(BinaryIO, RangeFile(ranges))
    dataset = files.open_hdf5(file, uri)
    # Of a file without a date or a tag, an index kept on disk may be that of another state.
    told = ranged.etag or ranged.modified
    return dataset, index_distant(ranges, file, policy.indexes if told else None)


def probe(uri: str, policy: SourcePolicy, attempts: int) -> Version | None:
    """Return the version of a NetCDF-4 file that can be read in ranges, None of one that cannot.

    Raises SourceError for what is no NetCDF.
    """
    return network.retried(replace(policy, attempts=attempts), lambda: _probe(uri, policy))


def _probe(uri: str, policy: SourcePolicy) -> Version | None:
    with network.stream(uri, policy, {"Range": f"bytes=0-{sniff.HEAD - 1}"}) as response:
        head = b"".join(bounded(response, sniff.HEAD))[: sniff.HEAD]
        version = version_of(response)
    found = sniff.kind(head)
    if found not in (sniff.NETCDF3, sniff.NETCDF4):
        raise sniff.unusable(uri, found)
    ranged = response.status_code == 206 and version.size is not None
    return version if ranged and found == sniff.NETCDF4 else None


def _download(uri: str, policy: SourcePolicy, workspace: Path | None) -> Path:
    """Return the path of the downloaded file; one of the same version is not fetched again."""
    folder = (workspace or Path(_scratch().name)) / "downloads"
    folder.mkdir(parents=True, exist_ok=True)
    with network.stream(uri, policy) as response:
        version = version_of(response)
        _check_size(uri, version.size or 0, policy)
        path = folder / _file_name(uri, version)
        if not (path.exists() and (version.etag or version.modified)):
            _save(response, path, uri, policy)
    return path


def _save(response: requests.Response, path: Path, uri: str, policy: SourcePolicy) -> None:
    length = 0
    partial = path.with_suffix(f".{uuid.uuid4().hex}.part")
    try:
        with partial.open("wb") as file:
            for block in response.iter_content(BLOCK):
                length += len(block)
                _check_size(uri, length, policy)
                file.write(block)
        partial.rename(path)
    except OSError as error:
        if error.errno in FULL:
            raise NoSpace(
                f"{uri} has to be downloaded whole, and the disk of this server is full after "
                f"{length} bytes of it; try again when there is room",
                locator="variable",
            ) from error
        raise
    finally:
        partial.unlink(missing_ok=True)


def _check_size(uri: str, size: int, policy: SourcePolicy) -> None:
    if size > policy.download_bytes:
        raise TooLarge(
            f"{uri} has to be downloaded whole and has at least {size} bytes, more than the "
            f"{policy.download_bytes} this server takes",
            locator="variable",
        )


def _file_name(uri: str, version: Version) -> str:
    return hashlib.sha256(repr((uri, version)).encode()).hexdigest()[:32] + ".nc"


@functools.cache
def _scratch() -> tempfile.TemporaryDirectory[str]:
    """Return the folder for downloads of callers without a workspace, removed when Python ends."""
    return tempfile.TemporaryDirectory(prefix="compute-sources-")
