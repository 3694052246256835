"""Why a record cannot be changed; the texts are for people."""


class RecordError(Exception):
    """A change of a record that is refused."""


class Conflict(RecordError):
    """The records there are do not allow the change."""


class Changed(RecordError):
    """The record is no longer what the change was made for."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} was changed meanwhile; fetch it and try again")


class Unusable(RecordError):
    """A value that is well formed but leads nowhere; `field` is where it stands."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field
