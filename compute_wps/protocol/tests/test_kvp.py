import json
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_wps.protocol import kvp
from compute_wps.protocol.datainputs import split
from compute_wps.protocol.exceptions import ProtocolError, describe
from compute_wps.protocol.requests import (
    DescribeProcess,
    GetCapabilities,
    RawDataOutput,
    Reference,
    RequestedOutput,
    ResponseDocument,
)

EXECUTE = "service=WPS&request=Execute&version=1.0.0&Identifier=CDAT.subset"

VARIABLE = '[{"uri": "http://h/a.nc?tas[0:1:9];x=1&y=a|b", "id": "tas|v0"}]'
DOMAIN = '[{"id": "d0", "time": {"start": "1990-01-01T00:00:00+00:00", "end": "1999"}}]'
OPERATION = '[{"name": "CDAT.subset", "result": "op;b=1", "input": ["v0"], "domain": "d0"}]'


def execute(data_inputs="", more=""):
    return kvp.parse(f"{EXECUTE}&DataInputs={quote(data_inputs)}{more}")


def values(data_inputs):
    return {given.identifier: given.data for given in execute(data_inputs).inputs}


def refusal(query):
    with pytest.raises(ProtocolError) as caught:
        kvp.parse(query)
    return describe(caught.value)


@pytest.mark.parametrize(
    "query",
    [
        "service=WPS&request=GetCapabilities&version=1.0.0",
        "SERVICE=wps&REQUEST=getcapabilities",
        "sErvice=wps&rEquest=GETCAPABILITIES&made=up&empty",
        "service=WPS&request=GetCapabilities&AcceptVersions=",
    ],
)
def test_capabilities_are_asked_for_in_any_case_and_with_unknown_parameters(query):
    assert kvp.parse(query) == GetCapabilities()


def test_every_parameter_of_get_capabilities_is_read():
    query = (
        "service=WPS&request=GetCapabilities&aCcepTVersioNS=2.0.0,%201.0.0&AcceptFormats=text/xml"
        "&updateSequence=7&language=en-US"
    )
    expected = GetCapabilities(("2.0.0", "1.0.0"), ("text/xml",), "7", "en-US")
    assert kvp.parse(query) == expected


@pytest.mark.parametrize("versions", ["3.0.0", "0.0.1", "2.0.0,3.0.0"])
def test_a_client_that_takes_only_other_versions_is_refused(versions):
    fault = refusal(f"service=WPS&request=GetCapabilities&AcceptVersions={versions}")
    assert (fault.code, fault.locator) == ("VersionNegotiationFailed", "AcceptVersions")
    assert "1.0.0" in fault.text


def test_several_processes_are_described_by_one_request():
    query = "service=WPS&request=DescribeProcess&version=1.0.0&identifier=CDAT.subset,CDAT.mean"
    assert kvp.parse(query) == DescribeProcess(("CDAT.subset", "CDAT.mean"))


@pytest.mark.parametrize(
    ("query", "code", "locator"),
    [
        ("", "MissingParameterValue", "request"),
        ("service=WPS", "MissingParameterValue", "request"),
        ("request=GetCapabilities", "MissingParameterValue", "service"),
        ("service=WMS&request=GetCapabilities", "InvalidParameterValue", "service"),
        ("service=WPS&request=Dismiss", "OperationNotSupported", "request"),
        ("service=WPS&request=DescribeProcess&identifier=a", "MissingParameterValue", "version"),
        (
            "service=WPS&request=DescribeProcess&version=2.0.0&identifier=a",
            "VersionNegotiationFailed",
            "version",
        ),
        (
            "service=WPS&request=DescribeProcess&version=1.0.0",
            "MissingParameterValue",
            "identifier",
        ),
        ("service=WPS&request=Execute&version=1.0.0", "MissingParameterValue", "identifier"),
        ("service=WPS&Service=WPS&request=GetCapabilities", "InvalidParameterValue", "service"),
        ("service=WPS&request=%FF", "InvalidParameterValue", None),
        ("&".join(f"p{n}=1" for n in range(200)), "InvalidParameterValue", None),
        (f"{EXECUTE}&lineage=perhaps", "InvalidParameterValue", "lineage"),
        (f"{EXECUTE}&RawDataOutput=a;b", "InvalidParameterValue", "RawDataOutput"),
        (f"{EXECUTE}&RawDataOutput=a&ResponseDocument=b", "InvalidParameterValue", "RawDataOutput"),
        (f"{EXECUTE}&ResponseDocument=@mimeType=text/xml", "InvalidParameterValue", None),
        (f"{EXECUTE}&DataInputs=[1]", "InvalidParameterValue", "DataInputs"),
        (f"{EXECUTE}&DataInputs=a=1@mimeType=json", "InvalidParameterValue", "mimeType"),
        (f"{EXECUTE}&DataInputs=a=!@encoding=base64", "InvalidParameterValue", "encoding"),
        (f"{EXECUTE}&DataInputs=a=@href=http://h/@method=PUT", "InvalidParameterValue", "method"),
    ],
)
def test_a_bad_query_is_refused_with_its_parameter_as_locator(query, code, locator):
    fault = refusal(query)
    assert (fault.code, fault.status) == (code, 400)
    if locator:
        assert fault.locator == locator


def test_the_query_of_cwt_is_read():
    whole = f"variable={VARIABLE};domain={DOMAIN};operation={OPERATION}"
    assert values(whole) == {"variable": VARIABLE, "domain": DOMAIN, "operation": OPERATION}


@pytest.mark.parametrize(
    "form",
    ["'{}'", "variable='{variable}';domain='{domain}';operation='{operation}'", "{};", " {} "],
)
def test_single_quotes_and_a_last_semicolon_are_taken(form):
    texts = {"variable": VARIABLE, "domain": DOMAIN, "operation": OPERATION}
    whole = ";".join(f"{name}={text}" for name, text in texts.items())
    assert values(form.format(whole, **texts)) == texts


@pytest.mark.parametrize("encode", [quote, quote_plus])
def test_a_space_may_be_a_plus_sign_and_a_plus_sign_is_encoded(encode):
    text = '["1990-01-01T00:00:00+01:00 and on"]'
    query = kvp.parse(f"{EXECUTE}&DataInputs=domain={encode(text)}")
    assert query.inputs[0].data == text


@pytest.mark.parametrize(
    "text", ["[1, 2", '{"a": "b', "[" * 100_000, "'left open", "it's", "a@b.org"]
)
def test_a_value_that_is_not_complete_does_not_swallow_its_neighbours(text):
    assert values(f"first={text};second=2") == {"first": text, "second": "2"}


def test_spaces_around_values_do_not_matter():
    given = execute('a = ["x;b=1"] ; b= [2] @mimeType=text/xml ;c =3 ').inputs
    assert [(i.data, i.mime_type) for i in given] == [
        ('["x;b=1"]', None),
        ("[2]", "text/xml"),
        ("3", None),
    ]


def test_json_in_single_quotes_may_hold_what_would_end_them():
    text = """[{"id": "';domain=[]", "x": "'@mimeType=a"}]"""
    assert values(f"variable='{text}';domain='[]'") == {"variable": text, "domain": "[]"}


def test_literal_values_keep_what_is_no_separator():
    assert values("a=x=y;z;b=1;c=") == {"a": "x=y;z", "b": "1", "c": ""}


def test_attributes_of_an_input_follow_its_value():
    given = execute('a={"x": "@mimeType=no"}@mimeType=application/json@schema=http://h/s').inputs[0]
    assert (given.data, given.mime_type, given.schema) == (
        '{"x": "@mimeType=no"}',
        "application/json",
        "http://h/s",
    )
    literal = execute("width=10@dataType=double@UOM=meter").inputs[0]
    assert (literal.data, literal.data_type, literal.uom) == ("10", "double", "meter")


def test_an_input_may_be_a_reference():
    given = execute("a=@xlink:href=http://u@h/x?y=1;z@mimeType=text/xml@method=post;b=1").inputs
    assert given[0].reference == Reference("http://u@h/x?y=1;z", "POST", mime_type="text/xml")
    assert given[1].data == "1"


def test_base64_is_undone_where_it_holds_text():
    given = execute("a=WzFd@encoding=base64;b=AAE=@encoding=base64").inputs
    assert (given[0].data, given[0].encoding) == ("[1]", None)
    assert (given[1].data, given[1].encoding) == ("AAE=", "base64")


def test_without_a_response_form_there_is_none():
    assert execute().form is None


def test_the_response_document_names_outputs_with_attributes():
    form = execute(
        more="&ResponseDocument=a;b@asReference=true@mimeType=text/xml&storeExecuteResponse=TRUE"
        "&status=1&lineage=false"
    ).form
    b = RequestedOutput("b", as_reference=True, mime_type="text/xml")
    assert form == ResponseDocument(True, True, False, (RequestedOutput("a"), b))
    assert execute(more="&lineage=true").form == ResponseDocument(lineage=True)


def test_raw_data_output_names_one_output():
    form = execute(more="&RawDataOutput=output@mimeType=application/json").form
    assert form == RawDataOutput(RequestedOutput("output", mime_type="application/json"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, (list, dict)))


@settings(deadline=None, max_examples=100)
@given(st.lists(JSON, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_json_comes_through_whatever_it_holds(documents, ascii_only, quoted):
    texts = [json.dumps(document, ensure_ascii=ascii_only) for document in documents]
    mark = "'" if quoted else ""
    whole = ";".join(f"n{number}={mark}{text}{mark}" for number, text in enumerate(texts))
    query = urlencode({"DataInputs": whole})
    given_inputs = kvp.parse(f"{EXECUTE}&{query}").inputs
    assert [i.data for i in given_inputs] == texts
    assert [i.identifier for i in given_inputs] == [f"n{n}" for n in range(len(texts))]


@settings(deadline=None, max_examples=100)
@given(st.text(alphabet="ab;=@'\"[]{} \\,:", max_size=30))
def test_splitting_any_text_ends_or_is_refused(text):
    try:
        names = [name for name, _, _ in split(f"x={text}")]
    except ProtocolError:
        return
    assert names[0] == "x"
