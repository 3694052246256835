"""Sessions of the clients people use, against the whole service on both databases."""

import json
from functools import partial
from io import StringIO

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
    return requests.post(
        served.wps, data=document, headers={"Content-Type": "text/xml"}, timeout=90
    )


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
    assert len([p for p in wps.processes if p.identifier.startswith("CDAT.")]) == 24
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
