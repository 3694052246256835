"""A file as an HTTP response: whole or one range of it, conditional, in blocks."""

import mimetypes
from collections.abc import Iterator
from pathlib import Path

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date
from werkzeug.http import parse_date, parse_range_header, quote_etag

CONTENT_TYPES = {".nc": "application/netcdf"}
BLOCK_BYTES = 1 << 20


def download(request: HttpRequest, path: Path) -> HttpResponseBase:
    """Answer GET or HEAD for the file.

    One range is answered with 206, a range beyond the end with 416; several ranges, and anything
    that is no range of bytes, with the whole file, as HTTP allows.
    """
    status = path.stat()
    etag = quote_etag(f"{status.st_ino:x}-{status.st_mtime_ns:x}-{status.st_size:x}")
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Type": _content_type(path),
        "Content-Disposition": content_disposition_header(True, path.name) or "attachment",
        "ETag": etag,
        "Last-Modified": http_date(status.st_mtime),
        "X-Content-Type-Options": "nosniff",
    }
    modified = int(status.st_mtime)
    response = HttpResponse(headers=headers)
    answer = get_conditional_response(request, etag, modified, response)
    if answer is not response:
        return answer
    return _body(request, path, status.st_size, headers, _asked(request, etag, modified))


def _content_type(path: Path) -> str:
    known = CONTENT_TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0]
    return known or "application/octet-stream"


def _body(
    request: HttpRequest,
    path: Path,
    size: int,
    headers: dict[str, str],
    asked: tuple[int, int | None] | None,
) -> HttpResponseBase:
    begin, end = _bounds(asked, size) if asked else (0, size)
    if asked and begin >= end:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    headers["Content-Length"] = str(end - begin)
    if asked:
        headers["Content-Range"] = f"bytes {begin}-{end - 1}/{size}"
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    return StreamingHttpResponse(
        _blocks(path, begin, end), status=206 if asked else 200, headers=headers
    )


def _asked(request: HttpRequest, etag: str, modified: int) -> tuple[int, int | None] | None:
    """Return the one range asked for, unless it was meant for another version of the file."""
    if request.method != "GET":
        return None
    ranges = parse_range_header(request.headers.get("Range"))
    if ranges is None or ranges.units != "bytes" or len(ranges.ranges) != 1:
        return None
    condition = request.headers.get("If-Range", etag).strip()
    date = parse_date(condition)
    same_version = date.timestamp() == modified if date else condition == etag
    return ranges.ranges[0] if same_version else None


def _bounds(asked: tuple[int, int | None], size: int) -> tuple[int, int]:
    begin, end = asked
    if begin < 0:
        return max(0, size + begin), size
    return begin, size if end is None else min(end, size)


def _blocks(path: Path, begin: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(begin)
        while begin < end and (block := file.read(min(BLOCK_BYTES, end - begin))):
            begin += len(block)
            yield block
