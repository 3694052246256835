"""The small values that both forms of a request hold."""

import base64
import binascii

from compute_wps.protocol.elements import is_media_type, is_printable, is_uri
from compute_wps.protocol.exceptions import ProtocolError


def boolean(text: str | None, locator: str) -> bool:
    """Return the truth value of a flag; an absent or empty one is false."""
    if not text or text.strip().lower() in ("false", "0"):
        return False
    if text.strip().lower() in ("true", "1"):
        return True
    raise ProtocolError(
        "InvalidParameterValue", f"{locator} is {text!r}; it is true or false", locator
    )


def media_type(text: str | None, locator: str = "mimeType") -> str | None:
    """Return the media type; an empty one is None."""
    if not text:
        return None
    if not is_media_type(text):
        raise ProtocolError(
            "InvalidParameterValue",
            f"{locator} {text!r} is not a media type such as application/json",
            locator,
        )
    return text


def uri(text: str | None, locator: str) -> str | None:
    """Return an address, or a name in its form such as `utf-8` or `K`; an empty one is None."""
    if not text:
        return None
    if not is_uri(text):
        raise ProtocolError(
            "InvalidParameterValue",
            f"{locator} {text!r} is not a URI; write brackets as %5B and %5D",
            locator,
        )
    return text


def decoded(data: str, encoding: str | None) -> tuple[str, str | None]:
    """Return the data and its encoding with base64 undone where what it holds is text."""
    if not encoding or encoding.lower() != "base64":
        return data, encoding
    try:
        text = base64.b64decode("".join(data.split()), validate=True).decode()
    except binascii.Error as error:
        raise ProtocolError(
            "InvalidParameterValue", f"the data is not base64: {error}", "encoding"
        ) from None
    except UnicodeDecodeError:
        return data, "base64"
    return (text, None) if is_printable(text) else (data, "base64")


def method(text: str | None) -> str:
    """Return how a referenced input is fetched, GET or POST."""
    if (text or "GET").upper() not in ("GET", "POST"):
        raise ProtocolError(
            "InvalidParameterValue", f"method {text!r} is not one of GET, POST", "method"
        )
    return (text or "GET").upper()
