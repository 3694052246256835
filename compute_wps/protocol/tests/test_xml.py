import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from owslib.wps import ASYNC, SYNC, ComplexDataInput, WPSExecution

from compute_wps.protocol import elements, xml
from compute_wps.protocol.exceptions import ProtocolError, describe
from compute_wps.protocol.requests import (
    DescribeProcess,
    Execute,
    GetCapabilities,
    Input,
    RawDataOutput,
    Reference,
    RequestedOutput,
    ResponseDocument,
)
from compute_wps.tests.schemas import SCHEMAS, needs_schemas, validate

NAMESPACES = (
    'xmlns:wps="http://www.opengis.net/wps/1.0.0" xmlns:ows="http://www.opengis.net/ows/1.1" '
    'xmlns:xlink="http://www.w3.org/1999/xlink" service="WPS"'
)


def execute(inner="", attributes='version="1.0.0"'):
    text = (
        f"<wps:Execute {NAMESPACES} {attributes}><ows:Identifier> CDAT.subset </ows:Identifier>"
        f"{inner}</wps:Execute>"
    )
    return xml.parse(text.encode())


def data(value):
    inner = f"<wps:Input><ows:Identifier>a</ows:Identifier>{value}</wps:Input>"
    return execute(f"<wps:DataInputs>{inner}</wps:DataInputs>").inputs[0]


def refusal(body):
    with pytest.raises(ProtocolError) as caught:
        xml.parse(body if isinstance(body, bytes) else body.encode())
    return describe(caught.value)


def test_get_capabilities_is_read_in_both_spellings_of_its_children():
    versions = "<ows:Version>1.0.0</ows:Version>"
    for prefix in ("wps", "ows"):
        body = (
            f"<wps:GetCapabilities {NAMESPACES} language='en'><{prefix}:AcceptVersions>{versions}"
            f"</{prefix}:AcceptVersions></wps:GetCapabilities>"
        )
        assert xml.parse(body.encode()) == GetCapabilities(("1.0.0",), language="en")


def test_describe_process_names_several():
    body = (
        f'<wps:DescribeProcess {NAMESPACES} version="1.0.0" language="de">'
        "<ows:Identifier>a</ows:Identifier><ows:Identifier>b</ows:Identifier></wps:DescribeProcess>"
    )
    assert xml.parse(body.encode()) == DescribeProcess(("a", "b"), "de")


@needs_schemas
def test_the_example_requests_of_ogc_are_read():
    examples = sorted((SCHEMAS / "wps/1.0.0/examples").glob("*request*.xml"))
    assert len(examples) > 3
    for example in examples:
        xml.parse(example.read_bytes())


@pytest.mark.parametrize("mode", [SYNC, ASYNC])
def test_what_owslib_posts_is_read(mode):
    inputs = [
        ("variable", ComplexDataInput('[{"uri": "http://h/a?b&c"}]', mimeType="application/json")),
        ("domain", ComplexDataInput("[]", encoding="utf-8")),
        ("axes", "time"),
    ]
    outputs = [("output", True, "application/json"), ("other", None)]
    document = WPSExecution().buildRequest("CDAT.subset", inputs, outputs, mode, lineage=True)
    stored = mode == ASYNC
    assert xml.parse(etree.tostring(document)) == Execute(
        "CDAT.subset",
        (
            Input("variable", '[{"uri": "http://h/a?b&c"}]', mime_type="application/json"),
            Input("domain", "[]", encoding="utf-8"),
            Input("axes", "time", literal=True),
        ),
        ResponseDocument(
            store=stored,
            status=stored,
            lineage=True,
            outputs=(
                RequestedOutput("output", True, "application/json"),
                RequestedOutput("other"),
            ),
        ),
    )


def test_without_a_response_form_there_is_none():
    document = WPSExecution().buildRequest("CDAT.subset", [], None)
    assert xml.parse(etree.tostring(document)) == Execute("CDAT.subset")


def test_raw_data_output_names_one_output():
    form = (
        '<wps:ResponseForm><wps:RawDataOutput mimeType="text/plain">'
        "<ows:Identifier>output</ows:Identifier></wps:RawDataOutput></wps:ResponseForm>"
    )
    assert execute(form).form == RawDataOutput(RequestedOutput("output", mime_type="text/plain"))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[1, 2]", "[1, 2]"),
        ("<![CDATA[a<b && c]]>", "a<b && c"),
        ("a &lt; b &amp; &#233;", "a < b & é"),
        ("<!-- aside -->[1]", "[1]"),
        ("", ""),
    ],
)
def test_complex_data_may_be_text_or_cdata(content, expected):
    given_input = data(f"<wps:Data><wps:ComplexData>{content}</wps:ComplexData></wps:Data>")
    assert given_input == Input("a", expected)


def test_complex_data_may_be_nested_xml():
    given_input = data(
        "<wps:Data><wps:ComplexData><g><p>1 &lt; 2</p></g></wps:ComplexData></wps:Data>"
    )
    root = etree.fromstring(given_input.data)
    assert (root.tag, root[0].text) == ("g", "1 < 2")


def test_base64_is_undone_where_it_holds_text():
    complex_data = '<wps:Data><wps:ComplexData encoding="{}">{}</wps:ComplexData></wps:Data>'
    assert data(complex_data.format("Base64", "Wz\nFd")) == Input("a", "[1]")
    assert data(complex_data.format("base64", "AAE=")) == Input("a", "AAE=", encoding="base64")


def test_literal_data_has_type_and_unit():
    literal = (
        '<wps:Data><wps:LiteralData dataType="xs:float" uom="m">1.5</wps:LiteralData></wps:Data>'
    )
    expected = Input("a", "1.5", literal=True, data_type="xs:float", uom="m")
    assert data(literal) == expected


def test_a_reference_has_headers_and_a_body():
    reference = (
        '<wps:Reference xlink:href="http://h/a?b&amp;c" method="POST" mimeType="text/xml">'
        '<wps:Header key="X" value="1"/><wps:Body>text</wps:Body></wps:Reference>'
    )
    expected = Reference(
        "http://h/a?b&c", "POST", headers=(("X", "1"),), body="text", mime_type="text/xml"
    )
    assert data(reference) == Input("a", reference=expected)


def test_a_body_may_itself_be_a_reference():
    reference = (
        '<wps:Reference xlink:href="http://h/" method="POST">'
        '<wps:BodyReference xlink:href="http://h/body"/></wps:Reference>'
    )
    assert data(reference).reference.body_href == "http://h/body"


IDENTIFIER = "<ows:Identifier>a</ows:Identifier>"
ENTITIES = '<!DOCTYPE x [<!ENTITY a "b"><!ENTITY file SYSTEM "file:///etc/hostname">]>'


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("", "MissingParameterValue", "empty"),
        (" \n", "MissingParameterValue", "empty"),
        ("<a>\n<b></a>", "NoApplicableCode", "line 2"),
        ("not xml", "NoApplicableCode", "line 1"),
        (b"\xff\xfe<a", "NoApplicableCode", "not well-formed"),
        ("<a>" * 1000 + "</a>" * 1000, "NoApplicableCode", "not well-formed"),
        (
            f"{ENTITIES}<wps:GetCapabilities {NAMESPACES}>&file;</wps:GetCapabilities>",
            "NoApplicableCode",
            "DOCTYPE",
        ),
        (
            "<GetCapabilities service='WPS'/>",
            "NoApplicableCode",
            "http://www.opengis.net/wps/1.0.0",
        ),
        (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"/>',
            "OperationNotSupported",
            "SOAP",
        ),
        (
            '<w:Execute xmlns:w="http://www.opengis.net/wps/2.0" service="WPS"/>',
            "VersionNegotiationFailed",
            "wps/1.0.0",
        ),
        (f"<wps:Dismiss {NAMESPACES}/>", "OperationNotSupported", "Dismiss"),
        (
            '<wps:Execute xmlns:wps="http://www.opengis.net/wps/1.0.0" version="1.0.0"/>',
            "MissingParameterValue",
            "service",
        ),
        (f"<wps:Execute {NAMESPACES}/>", "MissingParameterValue", "version"),
        (f'<wps:Execute {NAMESPACES} version="1.0.0"/>', "MissingParameterValue", "Identifier"),
        (f'<wps:DescribeProcess {NAMESPACES} version="1.0.0"/>', "MissingParameterValue", "all"),
        (
            f"<wps:GetCapabilities {NAMESPACES}><ows:AcceptVersions><ows:Version>3.0.0"
            "</ows:Version></ows:AcceptVersions></wps:GetCapabilities>",
            "VersionNegotiationFailed",
            "3.0.0",
        ),
    ],
)
def test_a_document_that_is_no_request_is_refused_in_words(body, code, words):
    fault = refusal(body)
    assert (fault.code, fault.status) == (code, 400)
    assert words in fault.text
    assert "<string>" not in fault.text


@pytest.mark.parametrize(
    ("value", "locator"),
    [
        ("<wps:Data><wps:BoundingBoxData/></wps:Data>", "a"),
        ("<wps:Data/>", "a"),
        ("<wps:Reference/>", "a"),
        ('<wps:Reference xlink:href="http://h/" method="PUT"/>', "method"),
        ('<wps:Reference xlink:href="http://h/[0:1]"/>', "href"),
        ('<wps:Data><wps:ComplexData mimeType="json">1</wps:ComplexData></wps:Data>', "mimeType"),
        ('<wps:Data><wps:ComplexData encoding="base64">!</wps:ComplexData></wps:Data>', "encoding"),
    ],
)
def test_a_bad_input_value_is_refused_with_its_place(value, locator):
    with pytest.raises(ProtocolError) as caught:
        data(value)
    assert caught.value.locator == locator


def test_an_empty_response_form_is_refused():
    with pytest.raises(ProtocolError, match="neither ResponseDocument nor RawDataOutput"):
        execute("<wps:ResponseForm/>")


def test_headers_of_a_reference_are_not_kept():
    secret = Reference("http://h/", headers=(("Authorization", "Bearer s3cret"),))
    document = xml.execute_document(Execute("a", (Input("b", reference=secret),)))
    assert "s3cret" not in document
    assert xml.parse(document.encode()).inputs[0].reference == Reference("http://h/")


TEXT = st.text(st.characters(codec="utf-8"), max_size=20).filter(elements.is_printable)
NAME = st.from_regex(r"[A-Za-z][\w.]{0,8}", fullmatch=True)
URI = TEXT.filter(lambda text: text and elements.is_uri(text)) | st.just("http://h/a?b=c&d#e")
MEDIA_TYPE = st.none() | st.sampled_from(["application/json", "text/xml; charset=utf-8"])
FORM = {
    "mime_type": MEDIA_TYPE,
    "encoding": st.none() | st.just("utf-8"),
    "schema": st.none() | URI,
}
REFERENCES = st.builds(
    Reference,
    URI,
    st.sampled_from(["GET", "POST"]),
    body=st.none() | TEXT,
    **FORM,
)
SPARSE = st.none() | TEXT.map(str.strip).filter(bool)
INPUTS = (
    st.builds(Input, NAME, TEXT, title=SPARSE, abstract=SPARSE, **FORM)
    | st.builds(
        Input, NAME, TEXT, literal=st.just(True), data_type=st.none() | URI, uom=st.none() | URI
    )
    | st.builds(Input, NAME, reference=REFERENCES)
)
OUTPUTS = st.builds(RequestedOutput, NAME, st.booleans(), **FORM, uom=st.none() | URI)
FORMS = (
    st.none()
    | st.builds(RawDataOutput, st.builds(RequestedOutput, NAME, **FORM))
    | st.builds(
        ResponseDocument,
        *[st.booleans()] * 3,
        outputs=st.lists(OUTPUTS, min_size=1, max_size=3).map(tuple),
    )
)
EXECUTES = st.builds(
    Execute,
    NAME,
    st.lists(INPUTS, max_size=4).map(tuple),
    FORMS,
    language=st.none() | st.just("en-US"),
)


@settings(deadline=None, max_examples=100)
@given(EXECUTES)
def test_an_execute_document_is_valid_and_gives_the_same_request_back(request):
    document = xml.execute_document(request).encode()
    validate(document)
    assert xml.parse(document) == request
