"""One client that asks the same again and again over a connection that is kept if it may be.

    python -m compute.benchmarks.load HOST PORT PATH SECONDS

prints how many answers it got each second; an answer other than 200 ends it.
"""

import socket
import sys
import time

PEEK = 1 << 16


def rate(host: str, port: int, path: str, seconds: float) -> float:
    """Return answers a second; raises RuntimeError for another status than 200."""
    request = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    count, start = 0, time.perf_counter()
    connection: socket.socket | None = None
    while (now := time.perf_counter()) - start < seconds:
        if connection is None:
            connection = socket.create_connection((host, port))
        connection.sendall(request)
        if not _answered(connection):
            connection.close()
            connection = None
        count += 1
    return count / (now - start)


def _answered(connection: socket.socket) -> bool:
    """Read one answer and tell whether the connection may be used again."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(PEEK)):
            raise RuntimeError("the connection was closed before the answer")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.decode("latin-1").split("\r\n")
    if status.split()[1] != "200":
        raise RuntimeError(f"{status}: {body[:300]!r}")
    fields = dict(line.lower().split(": ", 1) for line in lines)
    length = fields.get("content-length")
    received = len(body)
    while length is None or received < int(length):
        more = connection.recv(PEEK)
        if not more:
            return False
        received += len(more)
    return fields.get("connection") != "close"


if __name__ == "__main__":
    print(rate(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4])))
