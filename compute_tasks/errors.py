"""The errors of the science layer.

The class says what kind of failure it is and whether trying again can help; the message names the
value, the place and the choices, and is meant for the person who sent the request. `locator` is the
request parameter at fault (`variable`, `domain`, `operation`, or a process parameter).
"""


class TaskError(Exception):
    """The request could not be computed."""

    def __init__(self, message: str, *, locator: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.locator = locator


class MissingInput(TaskError):
    """Something the request must hold is not there."""


class InvalidInput(TaskError):
    """A value in the request is not one that can be used."""


class UnknownProcess(InvalidInput):
    """The request names a process that is not offered."""


class SourceError(TaskError):
    """A file or address of the request cannot be read."""


class SourceRefused(SourceError):
    """A file or address lies outside what this server may open."""


class TooLarge(TaskError):
    """The request exceeds a limit of this server."""


class NoSpace(TaskError):
    """There is no room for the result."""


class Transient(SourceError):
    """A remote server failed in a way that may pass; trying again can help."""


class Cancelled(TaskError):
    """The job was dismissed while it ran."""
