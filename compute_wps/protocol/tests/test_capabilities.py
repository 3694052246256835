import time

import pytest
from owslib.wps import WebProcessingService

from compute_wps.protocol import responses
from compute_wps.protocol.tests.declarations import cdat, rich, service
from compute_wps.tests.schemas import find, validate

ENDPOINT = "http://example.org/wps"


def capabilities(language="en-US", **changes):
    processes = [cdat("CDAT.mean"), rich()]
    document = responses.capabilities(service(**changes), processes, ENDPOINT, language, "42")
    return validate(document)


def test_the_service_says_who_it_is():
    root = capabilities(service_title="Compute <&>")
    assert find(root, "string(ows:ServiceIdentification/ows:Title)") == "Compute <&>"
    assert find(root, "ows:ServiceIdentification/ows:Keywords/ows:Keyword/text()") == [
        "climate",
        "CMIP6",
    ]
    assert find(root, "string(//ows:ProviderSite/@xlink:href)") == "http://example.org/"
    assert find(root, "string(//ows:ElectronicMailAddress)") == "contact_email <&>"
    assert root.get("updateSequence") == "42"
    assert find(root, "string(@xsi:schemaLocation)").split()[1] == (
        "http://schemas.opengis.net/wps/1.0.0/wpsGetCapabilities_response.xsd"
    )


def test_empty_contact_lines_are_left_out():
    empty = dict.fromkeys([n for n in responses.ServiceMetadata.__slots__ if "contact" in n], "")
    root = capabilities(**empty, provider_site="", service_keywords=())
    assert find(root, "count(//ows:ContactInfo/*)") == 0
    assert not find(root, "//ows:Keywords")


@pytest.mark.parametrize("operation", ["GetCapabilities", "DescribeProcess", "Execute"])
def test_every_operation_is_offered_by_get_and_post(operation):
    http = f"//ows:Operation[@name='{operation}']/ows:DCP/ows:HTTP"
    root = capabilities()
    assert find(root, f"string({http}/ows:Get/@xlink:href)") == ENDPOINT + "?"
    assert find(root, f"string({http}/ows:Post/@xlink:href)") == ENDPOINT


def test_a_process_has_a_version_and_no_keywords():
    process = find(capabilities(), "//wps:Process[ows:Identifier='CDAT.mean']")[0]
    assert find(process, "string(@wps:processVersion)") == "1.0.0"
    assert find(process, "string(ows:Abstract)") == "Cut out a region & a period."
    assert not find(process, "ows:Keywords")


@pytest.mark.parametrize("language", ["en-US", "de"])
def test_the_language_asked_for_is_that_of_the_document(language):
    root = capabilities(language)
    assert find(root, "string(@xml:lang)") == language
    assert find(root, "wps:Languages/wps:Supported/ows:Language/text()") == ["en-US", "de"]
    assert find(root, "string(wps:Languages/wps:Default/ows:Language)") == "en-US"


def test_owslib_reads_the_capabilities():
    document = responses.capabilities(service(), [cdat()], ENDPOINT, "en-US")
    client = WebProcessingService(ENDPOINT, skip_caps=True)
    client.getcapabilities(xml=document)
    assert client.identification.title == "service_title <&>"
    assert [process.identifier for process in client.processes] == ["CDAT.subset"]
    assert client.processes[0].processVersion == "1.0.0"


def test_metadata_is_taken_from_settings_of_the_same_names():
    given = service()
    assert responses.ServiceMetadata.of(given) == given


def test_the_documents_are_quick_to_build():
    processes = [cdat(f"CDAT.p{number}") for number in range(25)]
    started = time.perf_counter()
    responses.capabilities(service(), processes, ENDPOINT, "en-US")
    responses.descriptions(processes, "en-US")
    assert time.perf_counter() - started < 0.2
