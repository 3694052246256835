"""Execute through HTTP: forms of answer, refusals, and what stays behind."""

import json

import pytest
from django.test import Client

from compute_wps.models import Job, State
from compute_wps.protocol.requests import RawDataOutput, RequestedOutput, ResponseDocument
from compute_wps.tests.schemas import find, validate
from compute_wps.tests.workflows import report

pytestmark = pytest.mark.database

OUTPUT = "//wps:Output[ows:Identifier='output']/wps:Data/wps:ComplexData"


def post(client: Client, document: str, **headers: str):
    return client.post("/wps/", document, content_type="text/xml", headers=headers)


def test_without_a_form_the_job_is_accepted_at_once(client, workflow, transactional_db):
    response = post(client, workflow.document())
    assert (response.status_code, response["Content-Type"]) == (200, "text/xml; charset=utf-8")
    root = validate(response.content)
    assert find(root, "/wps:ExecuteResponse/wps:Status/wps:ProcessAccepted")
    assert not find(root, "//@percentCompleted")
    job = Job.objects.get()
    assert root.get("statusLocation") == f"http://testserver/wps/api/job/{job.id}.wps"
    assert job.status == State.ACCEPTED


def test_the_status_document_shows_the_result(client, workflow, worker):
    location = validate(post(client, workflow.document()).content).get("statusLocation")
    response = client.get(location)
    root = validate(response.content)
    assert find(root, "//wps:ProcessSucceeded")
    (text,) = find(root, f"{OUTPUT}[@mimeType='application/json']/text()")
    (entry,) = json.loads(text)
    job = Job.objects.get()
    assert entry["id"] == "tas|op0-CDAT.mean"
    assert entry["mime_type"] == "application/netcdf"
    assert entry["uri"].startswith(f"http://testserver/data/dodsC/anonymous/{job.id}/CDAT.mean_op0")
    assert find(root, "//wps:ProcessSucceeded/text()") == [text]


def test_both_links_of_the_result_answer(client, workflow, worker):
    post(client, workflow.document())
    (entry,) = json.loads(client.get(f"/wps/api/output/{Job.objects.get().id}/output").content)
    address = entry["uri"].removeprefix("http://testserver")
    assert client.get(f"{address}.dds").status_code == 200
    download = client.get(address.replace("/dodsC/", "/fileServer/"))
    assert b"".join(download.streaming_content)[1:4] == b"HDF"


def test_a_synchronous_request_answers_with_the_result(client, workflow, worker):
    response = post(client, workflow.document(ResponseDocument()))
    root = validate(response.content)
    assert find(root, "//wps:ProcessSucceeded")
    assert json.loads(find(root, f"{OUTPUT}/text()")[0])
    assert root.get("statusLocation") is None


def test_a_stored_synchronous_response_says_where_it_is(client, workflow, worker):
    root = validate(post(client, workflow.document(ResponseDocument(store=True))).content)
    assert find(root, "//wps:ProcessSucceeded")
    again = validate(client.get(root.get("statusLocation")).content)
    assert find(again, f"{OUTPUT}/text()") == find(root, f"{OUTPUT}/text()")


def test_store_and_status_are_answered_at_once(client, workflow, transactional_db):
    form = ResponseDocument(store=True, status=True)
    root = validate(post(client, workflow.document(form)).content)
    assert find(root, "//wps:ProcessAccepted")
    assert root.get("statusLocation")


def test_a_synchronous_request_is_bounded(client, workflow, transactional_db, settings):
    settings.COMPUTE = settings.COMPUTE.model_copy(update={"sync_seconds": 0.05})
    root = validate(post(client, workflow.document(ResponseDocument())).content)
    assert find(root, "//wps:ProcessAccepted[contains(., 'waiting')]")
    assert root.get("statusLocation")


def test_raw_data_past_the_bound_names_the_status_address(
    client, workflow, transactional_db, settings
):
    settings.COMPUTE = settings.COMPUTE.model_copy(update={"sync_seconds": 0.05})
    response = post(client, workflow.document(RawDataOutput(RequestedOutput("output"))))
    assert response.status_code == 400
    assert f"/wps/api/job/{Job.objects.get().id}.wps" in report(response)[2]


def test_raw_data_is_the_bare_json(client, workflow, worker):
    response = post(client, workflow.document(RawDataOutput(RequestedOutput("output"))))
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert json.loads(response.content)[0]["id"] == "tas|op0-CDAT.mean"


def test_an_output_by_reference_can_be_fetched(client, workflow, worker):
    form = ResponseDocument(outputs=(RequestedOutput("output", as_reference=True),))
    root = validate(post(client, workflow.document(form)).content)
    (href,) = find(root, "//wps:Reference[@mimeType='application/json']/@href")
    response = client.get(href)
    assert (response.status_code, response["Content-Type"]) == (200, "application/json")
    assert json.loads(response.content)[0]["uri"].endswith(".nc")


def test_lineage_repeats_inputs_and_outputs(client, workflow, worker):
    form = ResponseDocument(lineage=True, outputs=(RequestedOutput("output"),))
    root = validate(post(client, workflow.document(form)).content)
    path = "//wps:DataInputs/wps:Input[ows:Identifier='operation']//wps:ComplexData/text()"
    assert find(root, path) == [workflow.texts["operation"]]
    assert find(root, "//wps:OutputDefinitions/wps:Output/ows:Identifier/text()") == ["output"]


def test_execute_by_get_works_in_the_language_asked_for(client, workflow, worker):
    root = validate(client.get("/wps/", workflow.kvp(Language="en-US", lineage="true")).content)
    assert find(root, "//wps:ProcessSucceeded")
    assert find(root, "/*/@xml:lang") == ["en-US"]


def test_a_raw_output_by_get(client, workflow, worker):
    response = client.get("/wps", workflow.kvp(RawDataOutput="output"))
    assert json.loads(response.content)[0]["mime_type"] == "application/netcdf"


def test_a_failure_is_a_report_inside_the_response(client, workflow, worker):
    variable = json.dumps([{"uri": workflow.uri, "id": "pr|v0"}])
    response = post(client, workflow.document(ResponseDocument(store=True), variable=variable))
    assert response.status_code == 200
    root = validate(response.content)
    (exception,) = find(root, "//wps:ProcessFailed/ows:ExceptionReport/ows:Exception")
    (text,) = find(exception, "ows:ExceptionText/text()")
    assert "'pr'" in text
    assert "tas" in text
    assert not set("{}") & set(text)


def test_a_failed_raw_request_is_an_exception_report(client, workflow, worker):
    variable = json.dumps([{"uri": workflow.uri, "id": "pr|v0"}])
    form = RawDataOutput(RequestedOutput("output"))
    response = post(client, workflow.document(form, variable=variable))
    assert response.status_code == 400
    assert "'pr'" in report(response)[2]


@pytest.mark.parametrize(
    ("changed", "code", "locator", "text"),
    [
        ({"operation": "[]"}, "MissingParameterValue", "operation", "operation"),
        ({"variable": "[{"}, "InvalidParameterValue", "variable", "variable"),
        ({"variable": '[{"uri": "x"}]'}, "InvalidParameterValue", "variable", "id"),
        ({"surprise": "1"}, "InvalidParameterValue", "surprise", "variable, domain, operation"),
        (
            {
                "operation": json.dumps(
                    [{"name": "CDAT.mean", "result": "op0", "input": ["v0"], "axis": "lat"}]
                )
            },
            "InvalidParameterValue",
            "operation",
            "axes",
        ),
    ],
)
def test_what_cannot_be_planned_is_refused_before_there_is_a_job(
    client, workflow, transactional_db, changed, code, locator, text
):
    response = post(client, workflow.document(**changed))
    assert response.status_code == 400
    found = report(response)
    assert found[:2] == (code, locator)
    assert text in found[2]
    assert not Job.objects.exists()


def test_an_unknown_process_is_refused_naming_the_offered_ones(client, workflow, db):
    response = client.get("/wps/", workflow.kvp(identifier="CDAT.nothing"))
    code, locator, text = report(response)
    assert (response.status_code, code, locator) == (400, "InvalidParameterValue", "identifier")
    assert "'CDAT.nothing'" in text
    assert "CDAT.subset" in text


def test_an_unknown_output_is_refused(client, workflow, db):
    form = ResponseDocument(outputs=(RequestedOutput("result"),))
    code, locator, text = report(post(client, workflow.document(form)))
    assert (code, locator) == ("InvalidParameterValue", "result")
    assert "output" in text


def test_status_without_store_is_refused(client, workflow, db):
    response = post(client, workflow.document(ResponseDocument(status=True)))
    assert report(response)[:2] == ("InvalidParameterValue", "status")


def test_a_missing_input_is_named(client, workflow, db):
    parameters = workflow.kvp(DataInputs="variable=[]")
    code, locator, _ = report(client.get("/wps/", parameters))
    assert (code, locator) == ("MissingParameterValue", "domain")


def test_no_token_is_needed_and_one_does_no_harm(workflow, transactional_db):
    client = Client(enforce_csrf_checks=True)
    client.cookies["csrftoken"] = "a" * 32
    response = post(client, workflow.document(), **{"X-CSRFToken": "b" * 32})
    assert find(validate(response.content), "//wps:ProcessAccepted")
    response = Client(enforce_csrf_checks=True).post(
        "/wps", workflow.document(), content_type="application/xml"
    )
    assert find(validate(response.content), "//wps:ProcessAccepted")


def test_the_request_id_reaches_the_job(client, workflow, transactional_db):
    post(client, workflow.document(), **{"X-Request-ID": "abc-1"})
    assert Job.objects.get().request_id == "abc-1"


def test_a_recorded_document_reproduces_the_result(client, workflow, worker):
    post(client, workflow.document(ResponseDocument()))
    first = Job.objects.get()
    post(client, first.document)
    second = Job.objects.exclude(pk=first.pk).get()
    assert second.document == first.document
    assert second.outputs.get().name == first.outputs.get().name
