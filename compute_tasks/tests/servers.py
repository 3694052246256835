"""Real servers on 127.0.0.1 for tests: web servers in a thread, OPeNDAP in a child process.

A web server is made of a function from a request to an answer, so that a test can say in one line
how it misbehaves. Run as a module, this file is the OPeNDAP server itself.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server


@dataclass(frozen=True)
class Request:
    """What came in: the path with its query, quoted as sent, and the headers."""

    path: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Answer:
    """What goes out; `sent` cuts the body after that many bytes while its length is announced.

    A header with an empty value is not sent, not even the Content-Length.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int | None = None


Respond = Callable[[Request], Answer]


@dataclass
class Web:
    """A running web server; `requests` are those it got so far."""

    url: str
    requests: list[Request] = field(default_factory=list)

    def ranges(self) -> list[str]:
        """Return the Range headers of the requests that had one."""
        return [request.headers["Range"] for request in self.requests if "Range" in request.headers]


@contextmanager
def web(respond: Respond) -> Iterator[Web]:
    """Serve answers of `respond` on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            request = Request(self.path, dict(self.headers))
            running.requests.append(request)
            answer = respond(request)
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                if value:
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body[: answer.sent])
            self.close_connection = self.close_connection or answer.sent is not None

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    running = Web(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def files(folder: Path, *, ranges: bool = True) -> Respond:
    """Answer with the files of a folder, by ranges if asked and allowed, with an ETag."""

    def respond(request: Request) -> Answer:
        path = folder / unquote(request.path.partition("?")[0]).lstrip("/")
        if not path.is_file():
            return Answer(b"<html>404</html>", 404)
        body, stat = path.read_bytes(), path.stat()
        headers = {"ETag": f'"{stat.st_mtime_ns}-{len(body)}"'}
        wanted = request.headers.get("Range")
        if not (ranges and wanted) or not body:
            return Answer(body, 200, headers)
        start, end = (int(number) for number in wanted.removeprefix("bytes=").split("-"))
        part = body[start : end + 1]
        headers["Content-Range"] = f"bytes {start}-{start + len(part) - 1}/{len(body)}"
        return Answer(part, 206, headers)

    return respond


def forward(url: str) -> Respond:
    """Answer with what another server answers."""

    def respond(request: Request) -> Answer:
        with urlopen(url + request.path) as answer:
            return Answer(answer.read())

    return respond


def failing(respond: Respond, times: int, answer: Answer) -> Respond:
    """Answer with `answer` so many times, then properly."""
    left = iter(range(times))
    return lambda request: respond(request) if next(left, None) is None else answer


@contextmanager
def opendap(folder: Path, *, repaired: bool = True) -> Iterator[str]:
    """Serve a folder by OPeNDAP 2 with pydap in a child process; yield the address.

    pydap answers every subset of a NetCDF file wrongly unless `repaired`.
    """
    command = [sys.executable, "-m", __name__, str(folder), "repaired" if repaired else "stock"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().strip()
        finally:
            child.terminate()


def _repair() -> None:
    import numpy as np  # noqa: PLC0415 (only the child process needs these)
    from pydap.handlers import netcdf_handler  # noqa: PLC0415

    def getitem(self, key):  # type: ignore[no-untyped-def]
        with netcdf_handler.netcdf_file(self.filepath, "r") as source:
            variable = source[self.path]
            variable.set_auto_maskandscale(False)
            values = variable[key] if variable.ndim else np.asarray(variable[...])[key]
            return np.asarray(values).astype(self.dtype)

    netcdf_handler.LazyVariable.__getitem__ = getitem


class _Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        pass


def _serve_opendap(folder: str, mode: str) -> None:
    from pydap.wsgi.app import DapServer  # noqa: PLC0415 (slow to import, for the child only)

    if mode == "repaired":
        _repair()
    server = make_server("127.0.0.1", 0, DapServer(folder), handler_class=_Quiet)
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    _serve_opendap(*sys.argv[1:])
