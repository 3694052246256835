import http.server
import threading

import pytest

from compute.benchmarks.load import rate


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers over connections that stay, or are closed for paths that end in `close`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"x" * 100_000
        self.send_response(200 if "good" in self.path else 500)
        if self.path.endswith("close"):
            self.send_header("Connection", "close")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.server.answered += 1
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.answered = 0
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield running
        running.shutdown()


@pytest.mark.parametrize("path", ["/good", "/good-close"])
def test_answers_are_counted_with_and_without_kept_connections(server, path):
    per_second = rate(*server.server_address, path, 0.1)
    assert 0 < per_second * 0.1 <= server.answered


def test_an_answer_that_is_not_right_ends_the_measurement(server):
    with pytest.raises(RuntimeError, match="500"):
        rate(*server.server_address, "/bad", 0.1)
