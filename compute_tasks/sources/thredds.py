"""Remote addresses: which way to read them, and the other way when that fails.

A data server often offers a file both by OPeNDAP (THREDDS: `/dodsC/`) and as a plain download
(`/fileServer/`), and users have either address. OPeNDAP sends only the part that is needed, so it
is tried first wherever the address lets guess it. Trying costs no more than a request: the
declarations that OPeNDAP starts with, or the first bytes of the file.
"""

from dataclasses import dataclass
from pathlib import Path

import xarray as xr

from compute_tasks.engine.layout import FileIndex
from compute_tasks.errors import SourceError, SourceRefused
from compute_tasks.sources import http, opendap
from compute_tasks.sources.policy import SourcePolicy

DODS, FILES = "/dodsC/", "/fileServer/"
OPENDAP_MARKS = (DODS, "/opendap/", "/dap/", "/dods/")
ENDINGS = (".html", ".dds", ".das", ".dods", ".ascii")


@dataclass(frozen=True, slots=True)
class Way:
    """One way to read a file; `guessed` if the user did not give it."""

    address: str
    opendap: bool
    guessed: bool = False


def ways(uri: str) -> tuple[Way, Way]:
    """Return the ways to read an address, in the order to try them."""
    bare = next((uri.removesuffix(end) for end in ENDINGS if uri.endswith(end)), uri)
    if FILES in uri:
        return Way(uri.replace(FILES, DODS, 1), True, guessed=True), Way(uri, False)
    if any(mark in uri for mark in OPENDAP_MARKS):
        return Way(bare, True), Way(bare.replace(DODS, FILES, 1), False, guessed=True)
    return Way(uri, False), Way(bare, True, guessed=True)


def given(uri: str) -> Way:
    """Return the way the user gave."""
    return next(way for way in ways(uri) if not way.guessed)


def open_remote(
    uri: str, policy: SourcePolicy, variable: str, workspace: Path | None
) -> tuple[xr.Dataset, FileIndex | None]:
    """Open an http(s) address, undecoded, with the index of the file's chunks if it has one.

    A guessed way is tried once, without retries. When both ways fail, the error is that of the
    address as it was given.
    """
    failure: SourceError | None = None
    for way in ways(uri):
        attempts = 1 if way.guessed else policy.attempts
        try:
            if way.opendap:
                remote = opendap.Remote(way.address, policy, attempts)
            else:
                version = http.probe(way.address, policy, attempts)
        except SourceRefused:
            raise
        except SourceError as error:
            failure = error if failure is None or not way.guessed else failure
            continue
        if way.opendap:
            return opendap.open_opendap(remote, variable), None
        return http.open_http(way.address, policy, workspace, version)
    raise failure or SourceError(f"{uri} cannot be read", locator="variable")
