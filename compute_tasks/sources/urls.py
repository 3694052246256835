"""What an address of the web must be like, before anything is asked of its host."""

from urllib.parse import urlsplit

from compute_tasks.errors import InvalidInput


def check_address(uri: str) -> None:
    """Raise InvalidInput unless the uri is an http(s) address without a user name."""
    try:
        parts = urlsplit(uri)
        usable = parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable or parts.scheme.lower() not in ("http", "https"):
        raise InvalidInput(f"{uri!r} is not an http or https address", locator="variable")
    if parts.username is not None or parts.password is not None:
        message = f"the address on host {parts.hostname!r} holds a user name; give it without"
        raise InvalidInput(message, locator="variable")
