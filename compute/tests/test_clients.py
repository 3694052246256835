"""Sessions of the clients people use, against the whole service on both databases."""

import json
import socket
from functools import partial
from io import StringIO
from urllib.parse import quote, urlsplit

import numpy as np
import pytest
import requests
import xarray as xr
from birdy import WPSClient
from lxml import etree
from owslib.util import ServiceException
from owslib.wps import ComplexDataInput, WebProcessingService
from rich.console import Console

from compute.demo.check import compare, direct
from compute.demo.request import archive_request
from compute.demo.session import JobFailedError, download_size, follow, open_result, submit
from compute.tests.waiting import eventually
from compute_wps import catalog

pytestmark = pytest.mark.integration
NAMES = {"wps": "http://www.opengis.net/wps/1.0.0", "ows": "http://www.opengis.net/ows/1.1"}
TIMES = xr.coders.CFDatetimeCoder(use_cftime=True)
get = partial(requests.get, timeout=60)


@pytest.fixture
def tas(served_on):
    """Return the first of the daily files."""
    return min(served_on.archive.glob("tas_day_*"))


def first_days(path, days=10):
    """Return the three inputs that choose the first days of the file."""
    return {
        "variable": json.dumps([{"uri": str(path), "id": "tas|v0"}]),
        "domain": json.dumps([{"id": "d0", "time": {"start": 0, "end": days, "crs": "indices"}}]),
        "operation": json.dumps(
            [{"name": "CDAT.subset", "result": "op0", "input": ["v0"], "domain": "d0"}]
        ),
    }


def execute_document(inputs, form="", identifier="CDAT.subset"):
    root = etree.fromstring(
        f'<wps:Execute xmlns:wps="{NAMES["wps"]}" xmlns:ows="{NAMES["ows"]}" service="WPS" '
        f'version="1.0.0"><ows:Identifier>{identifier}</ows:Identifier><wps:DataInputs/>{form}'
        "</wps:Execute>"
    )
    data_inputs = root.find("wps:DataInputs", NAMES)
    for name, text in inputs.items():
        node = etree.SubElement(data_inputs, f"{{{NAMES['wps']}}}Input")
        etree.SubElement(node, f"{{{NAMES['ows']}}}Identifier").text = name
        data = etree.SubElement(node, f"{{{NAMES['wps']}}}Data")
        complex_data = etree.SubElement(data, f"{{{NAMES['wps']}}}ComplexData")
        complex_data.set("mimeType", "application/json")
        complex_data.text = text
    return etree.tostring(root)


def post(served, document):
    """Post a document; another test may have asked for the same, so a new run is forced."""
    address = f"{served.wps}?reuse=false"
    return requests.post(address, data=document, headers={"Content-Type": "text/xml"}, timeout=90)


def status_when_done(location):
    def done():
        root = etree.fromstring(get(location).content)
        state = root.xpath("//wps:ProcessSucceeded|//wps:ProcessFailed", namespaces=NAMES)
        return [root] if state else []

    return eventually(done, 60)[0]


def same_as_file(answer, path, days=10):
    with xr.open_dataset(path, decode_times=TIMES) as file:
        np.testing.assert_array_equal(answer, file.tas[:days])


def test_owslib_lists_and_describes_the_processes(served_on):
    wps = WebProcessingService(served_on.wps)
    assert {process.identifier for process in wps.processes} == catalog.offered().keys()
    mean = wps.describeprocess("CDAT.mean")
    assert [i.identifier for i in mean.dataInputs] == ["variable", "domain", "operation"]
    assert "axes" in mean.abstract


def test_owslib_runs_a_workflow_whose_results_open_over_both_links(served_on, tmp_path):
    request = archive_request(sorted(served_on.archive.iterdir()))
    assert len(request.files) == 3
    results = follow(submit(served_on.wps, request), Console(file=StringIO()))
    assert {result.operation for result in results} == {"series", "map"}
    expected = direct(request)
    for result in results:
        wanted = expected[result.operation]
        assert compare(wanted, open_result(result), result.operation) < 1e-6
        path = tmp_path / f"{result.operation}.nc"
        path.write_bytes(get(result.http).content)
        assert download_size(result) == path.stat().st_size
        with xr.open_dataset(path, decode_times=TIMES) as downloaded:
            assert compare(wanted, downloaded[result.variable], result.operation) < 1e-6


def test_owslib_is_told_why_a_job_failed(served_on, tmp_path):
    broken = served_on.archive / "broken.nc"
    broken.write_bytes(b"CDF nothing")
    inputs = [
        (name, ComplexDataInput(text, mimeType="application/json"))
        for name, text in first_days(broken).items()
    ]
    execution = WebProcessingService(served_on.wps, skip_caps=True).execute("CDAT.subset", inputs)
    with pytest.raises(JobFailedError, match=r"broken\.nc"):
        follow(execution, Console(file=StringIO()))


def test_owslib_is_refused_at_once_with_the_place_of_the_mistake(served_on, tas):
    inputs = first_days(tas) | {"operation": json.dumps([{"name": "CDAT.subset", "input": ["v9"]}])}
    given = [(name, ComplexDataInput(text)) for name, text in inputs.items()]
    wps = WebProcessingService(served_on.wps, skip_caps=True)
    with pytest.raises(ServiceException, match='locator="operation"'):
        wps.execute("CDAT.subset", given)


def test_birdy_waits_for_the_result(served_on, tas):
    client = WPSClient(served_on.wps)
    (output,) = client.cdat_subset(**first_days(tas)).get(asobj=True).output
    assert output["id"] == "tas|op0-CDAT.subset"
    with xr.open_dataset(output["uri"], decode_times=TIMES) as answer:
        same_as_file(answer.tas, tas)


def test_birdy_follows_the_progress(served_on, tas):
    client = WPSClient(served_on.wps, progress=True)
    execution = client.cdat_subset(**first_days(tas))
    eventually(execution.isComplete, 60)
    assert execution.isSucceded()
    (output,) = execution.get(asobj=True).output
    with xr.open_dataset(output["uri"], decode_times=TIMES) as answer:
        same_as_file(answer.tas, tas)


def test_an_execute_without_a_form_is_accepted_at_once_and_followed_to_its_end(served_on, tas):
    answer = post(served_on, execute_document(first_days(tas)))
    root = etree.fromstring(answer.content)
    assert answer.status_code == 200
    assert root.xpath("//wps:ProcessAccepted", namespaces=NAMES)
    final = status_when_done(root.get("statusLocation"))
    (output,) = json.loads(final.xpath("string(//wps:ComplexData)", namespaces=NAMES))
    assert output["mime_type"] == "application/netcdf"


def test_cwt_gets_with_its_document_then_posts_follows_lists_and_removes(served_on, tas):
    document = execute_document(first_days(tas))
    session = requests.Session()
    session.headers["Content-Type"] = "text/xml"
    first = session.get(f"{served_on.url}/wps/", data=document, timeout=60)
    assert first.status_code == 400
    tokens = {"X-CSRFToken": first.cookies.get("csrftoken", ""), "Authorization": "Bearer abc"}
    answer = session.post(f"{served_on.url}/wps/", data=document, headers=tokens, timeout=60)
    location = etree.fromstring(answer.content).get("statusLocation")
    final = status_when_done(location)
    (output,) = json.loads(final.xpath("string(//wps:Output//wps:ComplexData)", namespaces=NAMES))
    assert output["id"].partition("|")[0] == "tas"
    page = get(f"{served_on.url}/wps/api/job/?limit=10").json()
    assert page.keys() == {"count", "next", "previous", "results"}
    (job,) = [job for job in page["results"] if job["id"] in location]
    states = [get(f"{link.rstrip('/')}.json").json() for link in job["status_links"]]
    assert [state["status"] for state in states] == [
        *("ProcessAccepted", "ProcessStarted", "ProcessSucceeded")
    ]
    assert all({"created_date", "message", "percent"} == m.keys() for m in states[1]["message"])
    assert session.delete(f"{job['url']}/", timeout=60).ok
    assert etree.fromstring(get(location).content).xpath("//wps:ProcessFailed", namespaces=NAMES)


def test_cwt_may_send_everything_in_an_address_of_eight_kilobytes(served_on, tas):
    inputs = first_days(tas)
    operations = [json.loads(inputs["operation"])[0] | {"result": f"op{n}"} for n in range(45)]
    inputs["operation"] = json.dumps(operations)
    data_inputs = quote(";".join(f"{name}={text}" for name, text in inputs.items()), safe="")
    address = (
        f"{served_on.wps}?service=WPS&request=Execute&version=1.0.0&Identifier=CDAT.subset"
        f"&DataInputs={data_inputs}"
    )
    assert 7000 < len(address) < 8000
    final = status_when_done(etree.fromstring(get(address).content).get("statusLocation"))
    files = json.loads(final.xpath("string(//wps:ComplexData)", namespaces=NAMES))
    assert len(files) == len(operations)


def test_a_document_may_be_sent_in_chunks(served_on, tas):
    document = execute_document(first_days(tas))
    answer = post(served_on, iter([document[:100], document[100:]]))
    assert etree.fromstring(answer.content).xpath("//wps:ProcessAccepted", namespaces=NAMES)


def test_chunks_that_cannot_be_read_are_refused_and_leave_no_trace_in_the_log(served_on):
    host = urlsplit(served_on.url)
    with socket.create_connection((host.hostname, host.port), timeout=60) as connection:
        head = "POST /wps HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(f"{head}ZZ\r\n".encode())
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"the request is broken or ended early" in answer
    assert "InvalidChunkSize" not in served_on.log.read_text()


def test_raw_output_is_the_list_of_results_alone(served_on, tas):
    form = (
        '<wps:ResponseForm><wps:RawDataOutput mimeType="application/json">'
        "<ows:Identifier>output</ows:Identifier></wps:RawDataOutput></wps:ResponseForm>"
    )
    answer = post(served_on, execute_document(first_days(tas), form))
    assert answer.headers["Content-Type"].startswith("application/json")
    assert answer.json()[0]["uri"].startswith(f"{served_on.url}/data/dodsC/")


def test_the_rest_of_a_job_goes_from_listing_to_deleting(served_on, tas):
    root = etree.fromstring(post(served_on, execute_document(first_days(tas))).content)
    status_when_done(root.get("statusLocation"))
    job = get(f"{served_on.url}/wps/api/job/?limit=1").json()["results"][0]
    assert job["url"].rsplit("/", 1)[-1] in root.get("statusLocation")
    assert job["status"] == "ProcessSucceeded"
    first = get(f"{job['status_links'][0]}.json").json()
    assert first["status"] == "ProcessAccepted"
    remote = job["output"][0]["remote"].replace("/dodsC/", "/fileServer/")
    assert get(remote).status_code == 200
    assert requests.delete(f"{job['url']}/", timeout=60).ok
    assert get(remote).status_code == 404
    assert get(f"{job['url']}/").status_code == 404
    assert get(root.get("statusLocation")).status_code == 200


@pytest.mark.parametrize(
    ("query", "code", "locator"),
    [
        ("", "MissingParameterValue", "request"),
        ("service=WPS", "MissingParameterValue", "request"),
        ("service=WPS&request=GetMap", "OperationNotSupported", "request"),
        ("service=WFS&request=GetCapabilities", "InvalidParameterValue", "service"),
        (
            "service=WPS&request=DescribeProcess&version=1.0.0&identifier=CDAT.nothing",
            "InvalidParameterValue",
            "identifier",
        ),
    ],
)
def test_a_wrong_request_is_answered_with_an_exception_report(served_on, query, code, locator):
    answer = get(f"{served_on.wps}?{query}")
    (exception,) = etree.fromstring(answer.content).xpath("//ows:Exception", namespaces=NAMES)
    assert (exception.get("exceptionCode"), exception.get("locator")) == (code, locator)
    assert answer.status_code == 400


def test_the_archive_of_the_machine_is_out_of_reach(served_on):
    root = etree.fromstring(post(served_on, execute_document(first_days("/etc/passwd"))).content)
    final = status_when_done(root.get("statusLocation"))
    text = final.xpath("string(//ows:ExceptionText)", namespaces=NAMES)
    assert "/etc/passwd" in text
    assert str(served_on.data_dir) not in text
