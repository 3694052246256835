"""What goes wrong, in the terms of OGC: one table from error to code and HTTP status.

The statuses are those whose body WPS clients show to their users: 404 and 5xx would lose the text,
so only failures of the service itself use 500.
"""

from dataclasses import dataclass

from compute_tasks import errors

STATUS = {
    "MissingParameterValue": 400,
    "InvalidParameterValue": 400,
    "OperationNotSupported": 400,
    "VersionNegotiationFailed": 400,
    "InvalidUpdateSequence": 400,
    "StorageNotSupported": 400,
    "NotEnoughStorage": 400,
    "FileSizeExceeded": 400,
    "ServerBusy": 429,
    "NoApplicableCode": 400,
}

TABLE: dict[type[Exception], tuple[str, int]] = {
    errors.MissingInput: ("MissingParameterValue", 400),
    errors.InvalidInput: ("InvalidParameterValue", 400),
    errors.SourceRefused: ("InvalidParameterValue", 403),
    errors.Transient: ("ServerBusy", 429),
    errors.TooLarge: ("FileSizeExceeded", 400),
    errors.NoSpace: ("NotEnoughStorage", 400),
    errors.TaskError: ("NoApplicableCode", 400),
}


class ProtocolError(Exception):
    """A request that cannot be understood or served; `code` is one of OGC's."""

    def __init__(self, code: str, text: str, locator: str | None = None) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.locator = locator


@dataclass(frozen=True, slots=True)
class Fault:
    """An error as the client sees it; `status` is the HTTP status where it is answered directly."""

    code: str
    locator: str | None
    text: str
    status: int = 400


def expected(error: Exception) -> bool:
    """Tell whether the error is about the request; any other is the service's own fault."""
    return isinstance(error, (ProtocolError, errors.TaskError))


def describe(error: Exception, *, reference: str = "") -> Fault:
    """Return what the client may know of the error.

    Nothing of an unexpected error is shown but `reference`, under which it is logged.
    """
    if isinstance(error, ProtocolError):
        return Fault(error.code, error.locator, error.text, STATUS[error.code])
    if isinstance(error, errors.TaskError):
        code, status = next(TABLE[cls] for cls in type(error).__mro__ if cls in TABLE)
        return Fault(code, error.locator, error.message, status)
    text = "The service failed on this request"
    if reference:
        text += f"; its operator finds the cause under reference {reference}"
    return Fault("NoApplicableCode", None, text + ".", 500)
