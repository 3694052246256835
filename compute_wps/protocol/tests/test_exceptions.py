import pytest

from compute_tasks import errors
from compute_wps.protocol.exceptions import STATUS, Fault, ProtocolError, describe, expected
from compute_wps.protocol.responses import exception_report
from compute_wps.tests.schemas import find, validate


def subclasses(cls):
    return {cls}.union(*(subclasses(child) for child in cls.__subclasses__()))


@pytest.mark.parametrize("cls", sorted(subclasses(errors.TaskError), key=lambda c: c.__name__))
def test_every_error_of_the_science_layer_has_a_code_and_a_client_status(cls):
    error = cls("no file a.nc", locator="variable")
    fault = describe(error)
    assert expected(error)
    assert fault.code in STATUS
    assert fault.status in (400, 403, 429)
    assert (fault.text, fault.locator) == ("no file a.nc", "variable")


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (errors.MissingInput(""), "MissingParameterValue", 400),
        (errors.UnknownProcess(""), "InvalidParameterValue", 400),
        (errors.SourceRefused(""), "InvalidParameterValue", 403),
        (errors.SourceError(""), "NoApplicableCode", 400),
        (errors.Transient(""), "ServerBusy", 429),
        (errors.TooLarge(""), "FileSizeExceeded", 400),
        (ProtocolError("OperationNotSupported", ""), "OperationNotSupported", 400),
        (ProtocolError("ServerBusy", ""), "ServerBusy", 429),
    ],
)
def test_the_nearest_class_decides(error, code, status):
    fault = describe(error)
    assert (fault.code, fault.status) == (code, status)


def test_nothing_of_an_unexpected_error_is_shown_but_its_reference():
    error = KeyError("/srv/secret")
    fault = describe(error, reference="r-17")
    assert not expected(error)
    assert (fault.code, fault.status) == ("NoApplicableCode", 500)
    assert "r-17" in fault.text
    assert "secret" not in fault.text


def test_a_report_is_valid_and_has_no_braces():
    root = validate(exception_report(Fault("InvalidParameterValue", "a<b", "{x} & \x00 <y>"), "de"))
    assert root.get("version") == "1.0.0"
    assert find(root, "string(@xml:lang)") == "de"
    assert find(root, "string(ows:Exception/@exceptionCode)") == "InvalidParameterValue"
    assert find(root, "string(ows:Exception/@locator)") == "a<b"
    assert find(root, "string(//ows:ExceptionText)") == "(x) & \ufffd <y>"


def test_a_report_without_locator_is_valid():
    root = validate(exception_report(Fault("NoApplicableCode", None, "")))
    assert not find(root, "ows:Exception/@locator")
