"""Requests as clients send them, and what they read of a refusal."""

import json
from dataclasses import dataclass, field

from compute_wps.protocol.echo import execute_document
from compute_wps.protocol.requests import Execute, Input
from compute_wps.tests.schemas import find, validate


@dataclass(frozen=True)
class Workflow:
    """A request for a mean over space of one file, in the forms it may be sent in."""

    uri: str
    identifier: str = "CDAT.mean"
    operation: dict = field(default_factory=lambda: {"axes": "lat|lon"})

    @property
    def texts(self) -> dict[str, str]:
        operation = {"name": self.identifier, "result": "op0", "input": ["v0"], **self.operation}
        return {
            "variable": json.dumps([{"uri": self.uri, "id": "tas|v0"}]),
            "domain": "[]",
            "operation": json.dumps([operation]),
        }

    def execute(self, form=None, **changed: str) -> Execute:
        inputs = (
            Input(name, text, literal=False, mime_type="application/json")
            for name, text in (self.texts | changed).items()
        )
        return Execute(self.identifier, tuple(inputs), form)

    def document(self, form=None, **changed: str) -> str:
        return execute_document(self.execute(form, **changed))

    def kvp(self, **parameters: str) -> dict[str, str]:
        inputs = ";".join(f"{name}={text}" for name, text in self.texts.items())
        return {
            "service": "WPS",
            "request": "Execute",
            "version": "1.0.0",
            "identifier": self.identifier,
            "DataInputs": inputs,
            **parameters,
        }


def report(response) -> tuple[str, str | None, str]:
    """Return code, locator and text of an exception report."""
    root = validate(response.content)
    (exception,) = find(root, "/ows:ExceptionReport/ows:Exception")
    (text,) = find(exception, "ows:ExceptionText/text()")
    return exception.get("exceptionCode"), exception.get("locator"), text
