"""The WPS entry point: what is asked, how, and what is refused."""

import io
import time

import pytest

from compute_wps import views
from compute_wps.tests.schemas import find, validate
from compute_wps.tests.workflows import report

pytestmark = pytest.mark.django_db

CAPABILITIES = {"service": "WPS", "request": "GetCapabilities"}
DESCRIBE = {"service": "WPS", "request": "DescribeProcess", "version": "1.0.0"}
WPS = 'xmlns="http://www.opengis.net/wps/1.0.0" xmlns:ows="http://www.opengis.net/ows/1.1"'


@pytest.mark.parametrize("path", ["/wps", "/wps/"])
def test_capabilities_answer_at_both_addresses(client, path):
    response = client.get(path, CAPABILITIES)
    assert (response.status_code, response["Content-Type"]) == (200, "text/xml; charset=utf-8")
    root = validate(response.content)
    assert find(root, "/wps:Capabilities/@version") == ["1.0.0"]
    identifiers = find(root, "//wps:Process/ows:Identifier/text()")
    assert {"CDAT.subset", "CDAT.workflow"} <= set(identifiers)
    assert find(root, "//ows:Post/@xlink:href")[0] == "http://testserver/wps"


def test_the_advertised_address_follows_the_setting(client, settings):
    settings.COMPUTE = settings.COMPUTE.model_copy(update={"public_url": "https://c.example/"})
    root = validate(client.get("/wps", CAPABILITIES).content)
    assert find(root, "//ows:Post/@xlink:href")[0] == "https://c.example/wps"


def test_names_are_taken_in_any_case(client):
    plain = client.get("/wps", CAPABILITIES)
    parameters = {"SERVICE": "wps", "rEquest": "getcapabilities", "aCcepTVersioNS": "1.0.0"}
    assert client.get("/wps", parameters).content == plain.content


@pytest.mark.parametrize("accepted", ["text/xml", "application/x-bxml"])
def test_any_accepted_format_is_answered_in_xml(client, accepted):
    validate(client.get("/wps", CAPABILITIES | {"AcceptFormats": accepted}).content)


@pytest.mark.parametrize("versions", ["3.0.0", "0.0.1"])
def test_other_versions_are_refused(client, versions):
    parameters = {"AcceptVersions": versions, "language": "en-US"}
    response = client.get("/wps", CAPABILITIES | parameters)
    assert response.status_code == 400
    assert report(response)[0] == "VersionNegotiationFailed"


@pytest.mark.parametrize("language", ["en-US", "en", "*"])
@pytest.mark.parametrize("parameters", [CAPABILITIES, DESCRIBE | {"identifier": "all"}])
def test_offered_languages_come_back(client, parameters, language):
    root = validate(client.get("/wps", parameters | {"language": language}).content)
    assert find(root, "/*/@xml:lang") == ["en-US"]


def test_another_language_is_refused_naming_the_offered(client):
    response = client.get("/wps", CAPABILITIES | {"language": "tlh"})
    assert report(response) == (
        "InvalidParameterValue",
        "language",
        "language 'tlh' is not offered; offered are en-US",
    )


def test_a_later_update_sequence_is_refused(client):
    response = client.get("/wps", CAPABILITIES | {"updateSequence": "9999-01-01T00:00:00Z"})
    assert report(response)[0] == "InvalidUpdateSequence"


@pytest.mark.parametrize("identifier", ["all", "ALL", "CDAT.subset", "CDAT.subset,CDAT.mean"])
def test_processes_are_described(client, identifier):
    root = validate(client.get("/wps", DESCRIBE | {"identifier": identifier}).content)
    count = {"CDAT.subset": 1, "CDAT.subset,CDAT.mean": 2}.get(identifier)
    found = find(root, "ProcessDescription")
    assert len(found) == count if count else len(found) > 20
    assert all(e.get("storeSupported") == e.get("statusSupported") == "true" for e in found)


def test_an_unknown_process_beside_a_known_one_is_refused(client):
    response = client.get("/wps", DESCRIBE | {"identifier": "CDAT.subset,CDAT.nothing"})
    assert response.status_code == 400
    assert report(response)[:2] == ("InvalidParameterValue", "identifier")


@pytest.mark.parametrize(
    "document",
    [
        f'<GetCapabilities {WPS} service="WPS"/>',
        f'<DescribeProcess {WPS} service="WPS" version="1.0.0">'
        "<ows:Identifier>CDAT.subset</ows:Identifier></DescribeProcess>",
    ],
)
def test_posted_requests_are_answered(client, document):
    response = client.post("/wps", document, content_type="text/xml")
    assert response.status_code == 200
    validate(response.content)


def test_a_post_that_is_no_xml_is_refused(client):
    response = client.post("/wps", "<Execute", content_type="text/xml")
    assert response.status_code == 400
    assert "line 1" in report(response)[2]


@pytest.mark.parametrize(
    "query",
    [
        "service=wps&version=1.0.0&request=GetCapabilities",
        "service=wps&request=DescribeProcess&Version=1.0.0",
        "service=wps&version=1.0.0&request=DescribeProcess&identifier=JTS:Invalid",
    ],
)
def test_a_post_without_a_body_is_refused_whatever_its_address_says(client, query):
    response = client.post(f"/wps?{query}", b"", content_type="text/xml")
    assert response.status_code == 400
    assert report(response)[:2] == ("MissingParameterValue", "request")


def chunked(client, body):
    """Post without a length, as servers hand on a body that came in chunks."""
    chunks = {"wsgi.input": io.BytesIO(body), "HTTP_TRANSFER_ENCODING": "chunked"}
    return client.generic("POST", "/wps", content_type="text/xml", **chunks)


def test_a_body_in_chunks_is_read(client):
    response = chunked(client, f'<GetCapabilities {WPS} service="WPS"/>'.encode())
    assert find(validate(response.content), "/wps:Capabilities")


def test_a_large_body_in_chunks_is_refused(client, settings):
    response = chunked(client, b" " * (settings.COMPUTE.request_bytes + 1))
    assert report(response)[0] == "FileSizeExceeded"


def test_a_host_that_is_not_ours_is_told_so(client, settings):
    settings.ALLOWED_HOSTS = ["compute.example"]
    response = client.get("/wps", CAPABILITIES, headers={"host": "elsewhere.example"})
    assert response.status_code == 400
    code, _, text = report(response)
    assert code == "NoApplicableCode"
    assert "'elsewhere.example'" in text
    assert "COMPUTE_ALLOWED_HOSTS" in text


@pytest.mark.parametrize(
    ("parameters", "code", "locator"),
    [
        ({}, "MissingParameterValue", "request"),
        ({"service": "WPS", "request": "Dance"}, "OperationNotSupported", "request"),
        ({"request": "GetCapabilities"}, "MissingParameterValue", "service"),
        (DESCRIBE, "MissingParameterValue", "identifier"),
        (DESCRIBE | {"version": "2.0.0"}, "VersionNegotiationFailed", "version"),
    ],
)
def test_refusals_name_the_parameter(client, parameters, code, locator):
    response = client.get("/wps/", parameters)
    assert response.status_code == 400
    assert report(response)[:2] == (code, locator)


def test_a_bare_get_with_a_body_is_harmless(client):
    response = client.generic("GET", "/wps/", b"<Execute/>", content_type="text/xml")
    assert response.status_code == 400
    assert report(response)[:2] == ("MissingParameterValue", "request")


def test_an_empty_post_is_refused(client):
    assert report(client.post("/wps", b"", content_type="text/xml"))[1] == "request"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(client, method):
    response = client.generic(method, "/wps")
    assert response.status_code == 400
    code, _, text = report(response)
    assert code == "OperationNotSupported"
    assert method in text


def test_head_answers_as_get_does_but_starts_nothing(client, workflow):
    assert client.head("/wps", CAPABILITIES).status_code == 200
    assert client.head("/wps", workflow.kvp()).status_code == 400


def test_a_large_body_is_refused(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    response = client.post("/wps", "x" * 2000, content_type="text/xml")
    assert response.status_code == 400
    assert report(response)[0] == "FileSizeExceeded"


def test_an_unexpected_error_shows_a_reference_only(client, monkeypatch):
    def broken(*_):
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(views, "_capabilities", broken)
    response = client.get("/wps", CAPABILITIES)
    assert response.status_code == 500
    code, _, text = report(response)
    assert code == "NoApplicableCode"
    assert "reference" in text
    assert "secret" not in text


def test_documents_are_quick_once_warm(client):
    for parameters, seconds in ((CAPABILITIES, 0.05), (DESCRIBE | {"identifier": "all"}, 0.15)):
        client.get("/wps", parameters)
        started = time.perf_counter()
        client.get("/wps", parameters)
        assert time.perf_counter() - started < seconds
