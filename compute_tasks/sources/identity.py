"""What tells one state of an input from another, without reading its data.

A file that was written again has another identity, so that an old result is not taken for that of
new data. Where no identity can be had, nothing is known, and there is none.
"""

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from compute_tasks.errors import TaskError
from compute_tasks.sources import http, local, network, opendap, thredds
from compute_tasks.sources.policy import SourcePolicy

SECONDS = 10.0
"""How long a remote server may stay silent here; the run itself asks again and waits longer."""
AT_ONCE = 8


def local_identities(uris: Iterable[str], policy: SourcePolicy) -> dict[str, str] | None:
    """Return the identity of each local file; None if one of the addresses is no such file."""
    return _whole({uri: _of_local(uri, policy) for uri in uris})


def identities(uris: Iterable[str], policy: SourcePolicy) -> dict[str, str] | None:
    """Return the identity of each address, local or remote; None if one has none.

    A remote file has one if its server tells ETag or date, an OPeNDAP dataset that of its
    attributes. Each remote address costs a request or two.
    """
    hurried = replace(policy, attempts=1, timeout=min(policy.timeout, SECONDS))
    names = list(uris)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return _whole(dict(zip(names, pool.map(lambda uri: _of(uri, hurried), names), strict=True)))


def _whole(found: dict[str, str | None]) -> dict[str, str] | None:
    known = {uri: identity for uri, identity in found.items() if identity}
    return known if len(known) == len(found) else None


def _of(uri: str, policy: SourcePolicy) -> str | None:
    try:
        if path := local.located(uri, policy):
            return _of_file(path)
        way = thredds.given(uri)
        return (_of_dataset if way.opendap else _of_address)(way.address, policy)
    except TaskError:
        return None


def _of_local(uri: str, policy: SourcePolicy) -> str | None:
    try:
        return _of_file(local.located(uri, policy))
    except TaskError:
        return None


def _of_file(path: Path | None) -> str | None:
    """Return the identity of a file; a folder has none, since nothing tells that a part changed."""
    try:
        if path is None or not path.is_file():
            return None
        status = path.stat()
    except OSError:
        return None
    return f"file {status.st_ino} {status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def _of_address(address: str, policy: SourcePolicy) -> str | None:
    with network.stream(address, policy, {"Range": "bytes=0-0"}) as response:
        version = http.version_of(response)
    return f"http {version}" if version.etag or version.modified else None


def _of_dataset(address: str, policy: SourcePolicy) -> str | None:
    digest = hashlib.sha256()
    for ending in (".dds", ".das"):
        digest.update(network.fetch(address + ending, policy, opendap.TEXT_BYTES, address))
    return f"opendap {digest.hexdigest()}"
