import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from owslib.wps import WPSExecution

from compute_wps.protocol.exceptions import Fault
from compute_wps.protocol.requests import (
    Execute,
    Input,
    Reference,
    RequestedOutput,
    ResponseDocument,
)
from compute_wps.protocol.responses import (
    ComplexValue,
    Execution,
    LiteralValue,
    ReferenceValue,
    State,
    execute_response,
)
from compute_wps.protocol.tests.declarations import cdat, rich
from compute_wps.protocol.tests.test_xml import EXECUTES
from compute_wps.tests.schemas import find, needs_schemas, validate

INSTANCE = "http://example.org/wps?service=WPS&request=GetCapabilities"
STATUS = "http://example.org/wps/api/job/1.wps"
TEXT = '[{"uri": "http://h/a.nc?x=1&y=<2", "id": "tas|op-CDAT.subset"}]'
FAULT = Fault("InvalidParameterValue", "domain", "no axis 'x' in {lat, lon}")


def document(state, language="en-US", **changes):
    created = datetime(2026, 11, 21, 14, 0, tzinfo=timezone(timedelta(hours=1)))
    values = {"process": cdat(), "created": created, "service_instance": INSTANCE, **changes}
    return execute_response(Execution(state=state, **values), language)


def response(state, **changes):
    return validate(document(state, **changes))


def owslib(state, **changes):
    execution = WPSExecution()
    execution.checkStatus(response=document(state, **changes), sleepSecs=0)
    return execution


def test_an_accepted_execution_has_no_percentage_and_tells_where_to_look():
    root = response(State.ACCEPTED, percent=5, status_location=STATUS)
    assert find(root, "count(wps:Status/wps:ProcessAccepted)") == 1
    assert not find(root, "//@percentCompleted")
    assert root.get("statusLocation") == STATUS
    assert root.get("serviceInstance") == INSTANCE
    assert find(root, "string(wps:Status/@creationTime)") == "2026-11-21T14:00:00.000+01:00"
    assert find(root, "string(wps:Process/ows:Identifier)") == "CDAT.subset"


@pytest.mark.parametrize(("percent", "shown"), [(0, "0"), (33.9, "33"), (100, "99"), (-1, "0")])
def test_a_running_execution_shows_whole_percents_below_a_hundred(percent, shown):
    root = response(State.STARTED, percent=percent, message="reading & computing")
    started = find(root, "wps:Status/wps:ProcessStarted")[0]
    assert (started.get("percentCompleted"), started.text) == (shown, "reading & computing")


def test_a_time_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="no zone"):
        document(State.ACCEPTED, created=datetime(2026, 1, 1))


def test_a_failed_execution_holds_a_report_without_braces():
    root = response(State.FAILED, error=FAULT)
    report = find(root, "wps:Status/wps:ProcessFailed/ows:ExceptionReport/ows:Exception")[0]
    assert report.get("exceptionCode") == "InvalidParameterValue"
    assert report.get("locator") == "domain"
    assert find(report, "string(ows:ExceptionText)") == "no axis 'x' in (lat, lon)"


def test_owslib_shows_the_text_of_a_failure():
    execution = owslib(State.FAILED, error=FAULT)
    assert execution.isComplete()
    assert execution.errors[0].code == "InvalidParameterValue"
    assert execution.errors[0].text == "no axis 'x' in (lat, lon)"


@pytest.mark.parametrize("process", [cdat(), None])
def test_a_dismissed_execution_and_one_of_an_unknown_process_end_for_owslib(process):
    assert owslib(State.DISMISSED, process=process).isComplete()
    root = response(State.DISMISSED, process=process)
    assert "dismissed" in find(root, "string(//wps:ProcessFailed//ows:ExceptionText)")


def test_outputs_appear_only_with_success():
    value = (ComplexValue("output", TEXT, "application/json"),)
    assert not find(response(State.STARTED, outputs=value), "wps:ProcessOutputs")
    assert find(response(State.SUCCEEDED, outputs=value), "wps:ProcessOutputs")


def test_owslib_gets_embedded_json_unchanged():
    execution = owslib(State.SUCCEEDED, outputs=(ComplexValue("output", TEXT, "application/json"),))
    assert execution.isSucceded()
    assert json.loads(execution.processOutputs[0].data[0]) == json.loads(TEXT)
    assert execution.processOutputs[0].mimeType == "application/json"


def test_owslib_gets_the_address_of_a_reference():
    execution = owslib(
        State.SUCCEEDED, outputs=(ReferenceValue("output", "http://h/a?b&c", "application/json"),)
    )
    output = execution.processOutputs[0]
    assert (output.reference, output.mimeType) == ("http://h/a?b&c", "application/json")


def test_a_reference_has_a_plain_href():
    root = response(State.SUCCEEDED, outputs=(ReferenceValue("output", "http://h/"),))
    assert find(root, "//wps:Reference")[0].attrib == {"href": "http://h/"}


def test_a_literal_output_has_type_unit_and_the_declared_title():
    value = (LiteralValue("number", "1.5", "float", "meter"),)
    output = find(response(State.SUCCEEDED, process=rich(), outputs=value), "//wps:Output")[0]
    literal = find(output, "wps:Data/wps:LiteralData")[0]
    assert literal.text == "1.5"
    assert literal.get("dataType").endswith("#float")
    assert literal.get("uom") == "meter"
    assert find(output, "string(ows:Title)") == "Number"


def test_lineage_repeats_inputs_and_outputs_but_no_credentials():
    reference = Reference("http://h/?a&b", headers=(("Authorization", "s3cret"),))
    lineage = Execute(
        "CDAT.subset",
        (Input("variable", TEXT), Input("domain", reference=reference)),
        ResponseDocument(lineage=True, outputs=(RequestedOutput("output", as_reference=True),)),
    )
    root = response(State.ACCEPTED, lineage=lineage)
    assert find(root, "string(wps:DataInputs/wps:Input[1]//wps:ComplexData)") == TEXT
    assert find(root, "string(wps:DataInputs/wps:Input[2]/wps:Reference/@xlink:href)") == (
        "http://h/?a&b"
    )
    assert find(root, "string(wps:OutputDefinitions/wps:Output/@asReference)") == "true"
    assert b"s3cret" not in document(State.ACCEPTED, lineage=lineage)


@pytest.mark.parametrize("language", ["en-US", "de"])
def test_the_language_is_that_of_the_request(language):
    root = validate(document(State.FAILED, language, error=FAULT))
    assert find(root, "string(@xml:lang)") == language


@needs_schemas
@settings(deadline=None, max_examples=50)
@given(
    st.sampled_from(State),
    st.text(),
    st.floats(-10, 200),
    st.none() | st.builds(Fault, st.just("NoApplicableCode"), st.none() | st.text(), st.text()),
    st.none() | EXECUTES,
    st.text(),
)
def test_every_response_is_valid(state, message, percent, error, lineage, text):
    execution = Execution(
        rich(),
        datetime.now(UTC),
        state,
        INSTANCE,
        percent,
        message,
        error,
        STATUS,
        lineage,
        (ComplexValue("file", text), LiteralValue("number", text, "float")),
    )
    validate(execute_response(execution, "en-US"))
