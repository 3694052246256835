"""What client and server must agree on before an answer: version, language, update sequence."""

from collections.abc import Sequence

from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.requests import VERSION


def negotiate_version(accepted: Sequence[str]) -> None:
    """Refuse a client that accepts versions but not ours."""
    if accepted and VERSION not in accepted:
        raise ProtocolError(
            "VersionNegotiationFailed",
            f"none of the AcceptVersions {', '.join(accepted)} is offered; offered is {VERSION}",
            "AcceptVersions",
        )


def require_version(version: str | None) -> None:
    """Refuse a request whose `version` is missing or not ours."""
    if not version:
        raise ProtocolError(
            "MissingParameterValue", f"version is missing; use version={VERSION}", "version"
        )
    if version != VERSION:
        raise ProtocolError(
            "VersionNegotiationFailed",
            f"version {version!r} is not offered; offered is {VERSION}",
            "version",
        )


def require_service(service: str | None) -> None:
    """Refuse a request for another service."""
    if not service:
        raise ProtocolError(
            "MissingParameterValue", "service is missing; use service=WPS", "service"
        )
    if service.upper() != "WPS":
        raise ProtocolError(
            "InvalidParameterValue",
            f"service {service!r} is not offered; use service=WPS",
            "service",
        )


def negotiate_language(requested: str | None, offered: Sequence[str]) -> str:
    """Return the offered language that is asked for; the first one is the default.

    `*` takes any; `en` is answered by `en-US` and `en-US` by `en`, in any case.
    """
    if not requested or requested == "*":
        return offered[0]
    wanted = requested.lower()
    for language in offered:
        if language.lower() == wanted:
            return language
    for language in offered:
        if language.lower().startswith(wanted + "-") or wanted.startswith(language.lower() + "-"):
            return language
    raise ProtocolError(
        "InvalidParameterValue",
        f"language {requested!r} is not offered; offered are {', '.join(offered)}",
        "language",
    )


def check_update_sequence(requested: str | None, current: str) -> None:
    """Refuse a client that claims to know newer capabilities than there are.

    Sequences are numbers or times of one form, so that text order is their order. An equal or older
    one is answered with the whole document: the schema knows no shorter one.
    """
    if not requested:
        return
    numeric = requested.isdecimal() and current.isdecimal()
    newer = int(requested) > int(current) if numeric else requested > current
    if newer:
        raise ProtocolError(
            "InvalidUpdateSequence",
            f"updateSequence {requested!r} is later than the current one, {current}",
            "updateSequence",
        )
