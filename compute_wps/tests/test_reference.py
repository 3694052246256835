"""Inputs given by address, from a real server."""

import json
import threading
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from compute_wps import reference
from compute_wps.models import Job
from compute_wps.protocol.echo import execute_document
from compute_wps.protocol.requests import Input, Reference
from compute_wps.tests.workflows import report

pytestmark = pytest.mark.database


class Handler(BaseHTTPRequestHandler):
    bodies: dict[str, bytes] = {}

    def do_GET(self):
        body = self.bodies.get(self.path)
        self.send_response(404 if body is None else 200)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


@pytest.fixture
def server(settings):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    host = f"127.0.0.1:{server.server_port}"
    allowed = {"allowed_data_hosts": (host,), "request_bytes": 5000}
    # A copy keeps the cached policy of the original; build a new one.
    settings.COMPUTE = type(settings.COMPUTE)(**(settings.COMPUTE.model_dump() | allowed))
    yield f"http://{host}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def refer(client, workflow, transactional_db):
    """Post the workflow with its operations given by reference."""

    def refer(href: str, **details):
        given = Input("operation", literal=False, reference=Reference(href, **details))
        execute = workflow.execute()
        inputs = [i for i in execute.inputs if i.identifier != "operation"]
        document = execute_document(replace(execute, inputs=(*inputs, given)))
        return client.post("/wps", document, content_type="text/xml")

    return refer


def test_a_referenced_input_is_fetched_and_kept(server, refer, workflow):
    Handler.bodies["/operation.json"] = workflow.texts["operation"].encode()
    assert refer(f"{server}/operation.json", mime_type="application/json").status_code == 200
    assert workflow.texts["operation"] in Job.objects.get().document.replace("&quot;", '"')


@pytest.mark.parametrize(
    ("address", "details", "status", "text"),
    [
        ("{server}/nothing", {}, 400, "404"),
        ("{server}/large", {}, 400, "5000 bytes"),
        ("{server}/binary", {}, 400, "UTF-8"),
        ("{server}/large", {"method": "POST", "body": "x"}, 400, "plain GET"),
        ("http://127.0.0.1:1/", {}, 403, "COMPUTE_ALLOWED_DATA_HOSTS"),
        ("file:///etc/passwd", {}, 400, "http"),
    ],
)
def test_what_cannot_be_fetched_is_refused(server, refer, address, details, status, text):
    Handler.bodies |= {"/large": b"[" + b" " * 6000 + b"]", "/binary": b"\xff\x00"}
    response = refer(address.format(server=server), **details)
    assert response.status_code == status
    _, locator, found = report(response)
    assert locator == "operation"
    assert text in found
    assert not Job.objects.exists()


def test_a_slow_address_is_given_up(server, refer, monkeypatch):
    monkeypatch.setattr(reference, "FETCH_SECONDS", 0.0)
    monkeypatch.setattr(reference, "SILENT_SECONDS", 5.0)
    Handler.bodies["/slow"] = json.dumps([]).encode()
    response = refer(f"{server}/slow")
    assert response.status_code == 429
    assert report(response)[0] == "ServerBusy"
