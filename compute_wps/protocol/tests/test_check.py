import pytest

from compute_wps.protocol.check import check
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.requests import (
    Execute,
    Input,
    RawDataOutput,
    Reference,
    RequestedOutput,
    ResponseDocument,
)
from compute_wps.protocol.tests.declarations import cdat, rich

THREE = tuple(Input(name, "[]") for name in ("variable", "domain", "operation"))


def refusal(execute, process):
    with pytest.raises(ProtocolError) as caught:
        check(execute, process)
    return caught.value


def test_input_identifiers_are_taken_in_any_case():
    given = (Input("VARIABLE", "[]"), Input("Domain", "[]"), Input("operation", "[]"))
    assert check(Execute("CDAT.subset", given), cdat()) == Execute("CDAT.subset", THREE)


def test_a_literal_is_known_by_its_declaration():
    checked = check(Execute("rich", (Input("count", "1"), Input("file", "1"))), rich())
    assert [given.literal for given in checked.inputs] == [True, False]


@pytest.mark.parametrize("missing", range(3))
def test_a_missing_input_is_named(missing):
    inputs = tuple(given for number, given in enumerate(THREE) if number != missing)
    error = refusal(Execute("CDAT.subset", inputs), cdat())
    assert (error.code, error.locator) == ("MissingParameterValue", THREE[missing].identifier)


@pytest.mark.parametrize(
    ("inputs", "locator", "words"),
    [
        ((*THREE, Input("Variable", "[]")), "variable", "2 times"),
        ((*THREE, Input("gridder", "[]")), "gridder", "variable, domain, operation"),
        (
            (Input("variable", "1", mime_type="text/csv"), *THREE[1:]),
            "variable",
            "application/json",
        ),
        (
            (Input("variable", reference=Reference("http://h/", mime_type="text/csv")),),
            "variable",
            "application/json",
        ),
    ],
)
def test_inputs_that_are_not_declared_so_are_refused(inputs, locator, words):
    error = refusal(Execute("CDAT.subset", inputs), cdat())
    assert (error.code, error.locator) == ("InvalidParameterValue", locator)
    assert words in error.text


def test_a_parameter_of_the_media_type_does_not_matter():
    given = Input("variable", "[]", mime_type="application/json; charset=utf-8")
    assert check(Execute("CDAT.subset", (given, *THREE[1:])), cdat()).inputs[0] == given


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Input("flag", "perhaps"), "boolean"),
        (Input("flag", ""), "boolean"),
        (Input("count", "1.5"), "integer"),
        (Input("count", "many"), "integer"),
        (Input("count", "inf"), "integer"),
        (Input("size", "0"), "positiveInteger"),
        (Input("method", "cubic"), "nearest, linear"),
        (Input("level", "11"), "0.5 to 10"),
        (Input("level", "1.25"), "0.5 to 10"),
        (Input("level", "1", uom="inch"), "meter or feet"),
        (Input("day", "someday"), "date"),
        (Input("count", reference=Reference("http://h/")), "not a Reference"),
    ],
)
def test_a_literal_that_does_not_fit_is_refused_with_what_would(given, words):
    error = refusal(Execute("rich", (given,)), rich())
    assert (error.code, error.locator) == ("InvalidParameterValue", given.identifier)
    assert words in error.text


@pytest.mark.parametrize(
    "given",
    [
        Input("flag", "TRUE"),
        Input("flag", "0"),
        Input("count", " 3 "),
        Input("method", "nearest"),
        Input("level", "1.5", uom="feet"),
        Input("day", "2000-01-01"),
    ],
)
def test_a_literal_that_fits_is_taken(given):
    assert check(Execute("rich", (given,)), rich()).inputs[0].data == given.data


def test_no_output_named_means_all():
    checked = check(Execute("rich", form=ResponseDocument()), rich())
    assert checked.form.outputs == (RequestedOutput("number"), RequestedOutput("file"))
    assert check(Execute("rich"), rich()).form is None


@pytest.mark.parametrize(
    ("form", "locator", "words"),
    [
        (ResponseDocument(outputs=(RequestedOutput("nothing"),)), "nothing", "number, file"),
        (RawDataOutput(RequestedOutput("nothing")), "nothing", "number, file"),
        (
            RawDataOutput(RequestedOutput("file", mime_type="text/csv")),
            "file",
            "application/x-netcdf",
        ),
        (ResponseDocument(status=True), "status", "storeExecuteResponse"),
    ],
)
def test_an_answer_that_cannot_be_given_is_refused(form, locator, words):
    error = refusal(Execute("rich", form=form), rich())
    assert (error.code, error.locator) == ("InvalidParameterValue", locator)
    assert words in error.text
