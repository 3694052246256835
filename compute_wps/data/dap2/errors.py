"""The one error of the DAP2 server."""


class DapError(Exception):
    """A request that cannot be answered; `code` is the HTTP status, also put in the document."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
