"""What kind of file this is, told from its first bytes, to open it or to say what is wrong."""

import struct
from pathlib import Path
from typing import BinaryIO

from compute_tasks.engine import classic
from compute_tasks.errors import SourceError

HEAD = 4096
"""Bytes `kind` wants to see."""
NETCDF3 = "NetCDF-3"
NETCDF4 = "NetCDF-4"
HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
MAGICS = {
    b"GRIB": "a GRIB file",
    b"\x0e\x03\x13\x01": "an HDF4 file",
    b"\x1f\x8b": "a gzip-compressed file",
    b"BZh": "a bzip2-compressed file",
    b"PK\x03\x04": "a zip file",
    b"%PDF": "a PDF file",
    b"Dataset {": "an OPeNDAP description",
    b"Error {": "an OPeNDAP error message",
}
PP_HEADER_BYTES = 256


def kind(head: bytes) -> str:
    """Return NETCDF3, NETCDF4 or what else the first bytes show, with its article."""
    if not head:
        return "an empty file"
    if head[:3] == classic.MAGIC and head[3:4] in (b"\x01", b"\x02", b"\x05"):
        return NETCDF3
    # A user block of 512 bytes doubled any number of times may stand before the HDF5 signature.
    if any(head.startswith(HDF5_MAGIC, offset) for offset in (0, 512, 1024, 2048)):
        return NETCDF4
    for magic, name in MAGICS.items():
        if head.startswith(magic):
            return name
    if _is_pp(head):
        return "a Met Office PP file"
    if head.lstrip()[:1] == b"<":
        return "a web page (a login or error page, perhaps)"
    return "not NetCDF"


def _is_pp(head: bytes) -> bool:
    """Tell whether the file starts with a Fortran record of 256 bytes, either byte order."""
    end = 4 + PP_HEADER_BYTES
    return len(head) >= end + 4 and any(
        struct.unpack(order, head[:4] + head[end : end + 4]) == (PP_HEADER_BYTES,) * 2
        for order in (">2i", "<2i")
    )


def unusable(uri: str, what: str) -> SourceError:
    """Return the error for a file that is `what` (from `kind`) instead of NetCDF."""
    hint = "" if what.startswith("not ") else "; only NetCDF files can be read"
    return SourceError(f"{uri} is {what}{hint}", locator="variable")


def check_file(path: Path, uri: str) -> str:
    """Return NETCDF3 or NETCDF4 for a whole file; SourceError for anything else."""
    with path.open("rb") as file:
        found = kind(file.read(HEAD))
        if found == NETCDF3:
            file.seek(0)
            _check_length(classic_header(file, uri), path.stat().st_size, uri)
    if found not in (NETCDF3, NETCDF4):
        raise unusable(uri, found)
    return found


def classic_header(file: BinaryIO, uri: str) -> classic.Header:
    """Return the classic header or raise SourceError naming the uri."""
    try:
        return classic.read_header(file)
    except classic.HeaderError as error:
        raise SourceError(
            f"{uri} is a damaged NetCDF-3 file: {error}", locator="variable"
        ) from error


def _check_length(header: classic.Header, size: int, uri: str) -> None:
    if size < header.expected_bytes:
        raise SourceError(
            f"{uri} is truncated: it has {size} bytes where its header promises "
            f"{header.expected_bytes}",
            locator="variable",
        )
