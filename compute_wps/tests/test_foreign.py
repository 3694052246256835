import json
import logging
from pathlib import Path

import pytest
import pywps
from pywps.app.exceptions import ProcessError
from pywps.exceptions import FileURLNotSupported, StorageNotSupported

from compute_tasks.errors import TaskError
from compute_wps.foreign import FileValue, run_foreign
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.requests import Execute, Input, Reference
from compute_wps.protocol.responses import ComplexValue, LiteralValue, ReferenceValue

TEXT = pywps.Format("text/plain", extension=".txt")
JSON = pywps.Format("application/json")
NETCDF = pywps.Format("application/x-netcdf", encoding="base64")


class Scale(pywps.Process):
    """A process as sites write them: literals in and out, a document in, a file out."""

    def __init__(self):
        super().__init__(
            self._handler,
            identifier="scale",
            title="Scale",
            inputs=[
                pywps.LiteralInput("factor", "Factor", data_type="float", max_occurs=3),
                pywps.LiteralInput("unit", "Unit", data_type="string", min_occurs=0, default="K"),
                pywps.LiteralInput("offset", "Offset", data_type="float", min_occurs=0, default=0),
                pywps.LiteralInput("note", "Note", min_occurs=0),
                pywps.ComplexInput("table", "Table", [JSON, NETCDF], min_occurs=0),
            ],
            outputs=[
                pywps.LiteralOutput("sum", "Sum", data_type="float", uoms=["meter"]),
                pywps.ComplexOutput("log", "Log", supported_formats=[TEXT]),
                pywps.ComplexOutput("summary", "Summary", supported_formats=[JSON]),
                pywps.LiteralOutput("unset", "Unset"),
            ],
        )

    def _handler(self, request, response):
        factors = [given.data for given in request.inputs["factor"]]
        response.update_status("adding", 40)
        response.outputs["sum"].data = sum(factors) + request.inputs["offset"][0].data
        response.update_status("writing")
        path = Path(self.workdir) / "log.txt"
        path.write_text(request.inputs["unit"][0].data)
        response.outputs["log"].file = str(path)
        table = request.inputs.get("table")
        response.outputs["summary"].data = {"table": len(table[0].data) if table else None}


def single(handler, output, inputs=()):
    """Return a process with one output and a handler that is a plain function."""
    return pywps.Process(handler, "single", "Single", inputs=list(inputs), outputs=[output])


def run(process, workdir, *inputs, report=lambda percent, message: None):
    execute = Execute(process.identifier, tuple(inputs))
    return run_foreign(process, execute, workdir, report)


def test_inputs_reach_the_handler_and_outputs_come_back_in_order(tmp_path):
    reports = []
    outputs = run(
        Scale(),
        tmp_path,
        Input("factor", "1.5"),
        Input("Factor", "2"),
        Input("unit", "m"),
        Input("table", "[1,2]", mime_type="application/json"),
        report=lambda percent, message: reports.append((percent, message)),
    )
    path = tmp_path / "log.txt"
    assert outputs == [
        LiteralValue("sum", "3.5", "float", "meter"),
        FileValue("log", path, "text/plain"),
        ComplexValue("summary", json.dumps({"table": 5}), "application/json"),
    ]
    assert path.read_text() == "m"
    assert reports == [(40, "adding"), (40, "writing")]


def test_defaults_stand_in_for_optional_inputs_and_runs_do_not_share_state(tmp_path):
    process = Scale()
    run(process, tmp_path, Input("factor", "1"), Input("unit", "m"), Input("offset", "5"))
    outputs = run(process, tmp_path, Input("factor", "1"))
    assert outputs[0].text == "1.0"
    assert (tmp_path / "log.txt").read_text() == "K"
    assert process.outputs[0].data is None


def test_base64_input_arrives_as_bytes_and_as_a_file(tmp_path):
    def handler(request, response):
        given = request.inputs["table"][0]
        response.outputs["out"].data = f"{given.data!r} {Path(given.file).read_bytes()!r}"

    table = pywps.ComplexInput("table", "Table", [NETCDF])
    process = single(handler, pywps.ComplexOutput("out", "Out", [TEXT]), [table])
    outputs = run(process, tmp_path, Input("table", "AAE=", encoding="base64"))
    assert outputs[0].text == r"b'\x00\x01' b'\x00\x01'"


def test_the_handler_sees_the_format_of_an_input(tmp_path):
    def handler(request, response):
        response.outputs["out"].data = request.inputs["table"][0].data_format.mime_type

    table = pywps.ComplexInput("table", "Table", [NETCDF, JSON])
    process = single(handler, pywps.LiteralOutput("out", "Out"), [table])
    given = Input("table", "[]", mime_type="application/json; charset=utf-8")
    assert run(process, tmp_path, given)[0].text == "application/json"


@pytest.mark.parametrize(
    ("inputs", "code", "locator"),
    [
        ((), "MissingParameterValue", "factor"),
        ([Input("factor", "1")] * 4, "InvalidParameterValue", "factor"),
        ([Input("factor", "wide")], "InvalidParameterValue", "factor"),
        ([Input("factor", "1"), Input("other", "1")], "InvalidParameterValue", "other"),
    ],
)
def test_inputs_that_do_not_fit_the_declaration_are_refused(tmp_path, inputs, code, locator):
    with pytest.raises(ProtocolError) as caught:
        run(Scale(), tmp_path, *inputs)
    assert (caught.value.code, caught.value.locator) == (code, locator)


def test_a_reference_must_have_been_fetched(tmp_path):
    reference = Reference("http://example.org/")
    with pytest.raises(ValueError, match="not fetched"):
        run(Scale(), tmp_path, Input("factor", "1"), Input("table", reference=reference))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a < b", ComplexValue("out", "a < b", "text/plain")),
        (b"\x00\x01", ComplexValue("out", "AAE=", "text/plain", "base64")),
        ("bell \x07", ComplexValue("out", "YmVsbCAH", "text/plain", "base64")),
    ],
)
def test_text_that_xml_cannot_hold_is_given_in_base64(tmp_path, data, expected):
    def handler(request, response):
        response.outputs["out"].data = data

    process = single(handler, pywps.ComplexOutput("out", "Out", [TEXT]))
    assert run(process, tmp_path) == [expected]


def test_an_output_may_be_an_address(tmp_path):
    def handler(request, response):
        response.outputs["out"].url = "http://example.org/a.txt"

    process = single(handler, pywps.ComplexOutput("out", "Out", [TEXT]))
    assert run(process, tmp_path) == [
        ReferenceValue("out", "http://example.org/a.txt", "text/plain")
    ]


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (ProcessError("no such station"), TaskError, None),
        (StorageNotSupported("no such station"), ProtocolError, "StorageNotSupported"),
        (FileURLNotSupported("no such station"), ProtocolError, "NoApplicableCode"),
    ],
)
def test_what_a_handler_refuses_keeps_its_text(tmp_path, error, kind, code):
    def handler(request, response):
        raise error

    process = single(handler, pywps.LiteralOutput("out", "Out"))
    with pytest.raises(kind, match="no such station") as caught:
        run(process, tmp_path)
    assert getattr(caught.value, "code", None) == code


def test_an_accident_in_a_handler_is_left_to_the_caller(tmp_path):
    def handler(request, response):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(single(handler, pywps.LiteralOutput("out", "Out")), tmp_path)


def test_running_leaves_the_logging_of_the_service_alone(tmp_path):
    before = list(logging.getLogger().handlers)
    run(Scale(), tmp_path, Input("factor", "1"))
    assert logging.getLogger().handlers == before
