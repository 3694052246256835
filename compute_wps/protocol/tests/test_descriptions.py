import pytest
from owslib.wps import WebProcessingService

from compute_wps.protocol import responses
from compute_wps.protocol.tests.declarations import cdat, rich
from compute_wps.tests.schemas import find, validate


def described(*processes, **more):
    return validate(responses.descriptions(processes, "en-US", **more))


def literal(identifier):
    return find(described(rich()), f"//Input[ows:Identifier='{identifier}']/LiteralData")[0]


def test_our_processes_take_three_documents_and_may_be_stored_and_followed():
    process = find(described(cdat(), maximum_bytes=3_500_000), "ProcessDescription")[0]
    assert (process.get("storeSupported"), process.get("statusSupported")) == ("true", "true")
    assert find(process, "DataInputs/Input/ows:Identifier/text()") == [
        "variable",
        "domain",
        "operation",
    ]
    assert find(process, "//ComplexData/Default/Format/MimeType/text()") == ["application/json"] * 3
    assert find(process, "//ComplexData/@maximumMegabytes") == ["3"] * 3
    assert find(process, "string(//ComplexOutput//MimeType)") == "application/json"


def test_without_a_limit_none_is_promised():
    assert not find(described(cdat()), "//@maximumMegabytes")


@pytest.mark.parametrize(
    ("identifier", "path", "expected"),
    [
        ("text", "string(DefaultValue)", "a <b>"),
        ("text", "count(ows:AnyValue)", 1),
        ("flag", "string(DefaultValue)", "true"),
        (
            "flag",
            "string(ows:DataType/@ows:reference)",
            "http://www.w3.org/TR/xmlschema-2/#boolean",
        ),
        ("count", "string(../@maxOccurs)", "3"),
        ("method", "ows:AllowedValues/ows:Value/text()", ["nearest", "linear"]),
        ("level", "string(ows:AllowedValues/ows:Range/ows:MinimumValue)", "0.5"),
        ("level", "string(ows:AllowedValues/ows:Range/ows:Spacing)", "0.5"),
        ("level", "UOMs/Supported/ows:UOM/text()", ["meter", "feet"]),
        ("level", "string(UOMs/Default/ows:UOM)", "meter"),
        ("day", "string(../ows:Title)", "day"),
        ("day", "count(ows:AnyValue)", 1),
        ("angle", "string(ows:DataType/@ows:reference)", "urn:ogc:def:dataType:OGC:1.1:angle"),
        ("code", "string(ValuesReference/@ows:reference)", "http://example.org/codes"),
    ],
)
def test_a_literal_input_says_what_it_takes(identifier, path, expected):
    assert find(literal(identifier), path) == expected


def test_formats_and_occurrences_of_complex_inputs_are_told():
    given = find(described(rich()), "//Input[ows:Identifier='file']")[0]
    assert (given.get("minOccurs"), given.get("maxOccurs")) == ("0", "2147483647")
    assert find(given, "ComplexData/Supported/Format/MimeType/text()") == [
        "application/x-netcdf",
        "application/json",
    ]
    assert find(given, "string(ComplexData/Default/Format/Encoding)") == "base64"


def test_metadata_links_are_kept():
    link = find(described(rich()), "//ows:Metadata")[0]
    assert find(link, "string(@xlink:href)") == "http://example.org/a?b&c"
    assert find(link, "string(@xlink:role)") == "http://h/role"


def test_owslib_reads_a_description():
    client = WebProcessingService("http://example.org/wps", skip_caps=True)
    document = responses.descriptions([rich()], "en-US", 3_000_000)
    process = client.describeprocess("rich", xml=document)
    inputs = {declared.identifier: declared for declared in process.dataInputs}
    assert inputs["method"].allowedValues == ["nearest", "linear"]
    assert inputs["flag"].dataType == "boolean"
    assert inputs["file"].defaultValue.mimeType == "application/x-netcdf"
    assert [output.identifier for output in process.processOutputs] == ["number", "file"]
