"""Inputs given as the address of their value: fetched with the checks that data files get."""

import time
from dataclasses import replace

from django.conf import settings

from compute_tasks.errors import TaskError, TooLarge, Transient
from compute_tasks.sources.network import stream
from compute_tasks.sources.urls import check_address
from compute_wps.protocol.elements import is_printable
from compute_wps.protocol.exceptions import ProtocolError
from compute_wps.protocol.requests import Execute, Input, Reference

FETCH_SECONDS, SILENT_SECONDS = 20.0, 10.0
BLOCK = 1 << 16


def fetched(execute: Execute) -> Execute:
    """Return the request with each referenced input replaced by its text.

    The inputs of one request may have `request_bytes` together and take FETCH_SECONDS. Raises the
    errors of the science layer and ProtocolError, with the input as locator.
    """
    left = settings.COMPUTE.request_bytes
    deadline = time.monotonic() + FETCH_SECONDS
    inputs = []
    for given in execute.inputs:
        if given.reference:
            given = _fetched(given, given.reference, left, deadline)
            left -= len((given.data or "").encode())
        inputs.append(given)
    return replace(execute, inputs=tuple(inputs))


def _fetched(given: Input, reference: Reference, limit: int, deadline: float) -> Input:
    if reference.method != "GET" or reference.headers or reference.body or reference.body_href:
        raise ProtocolError(
            "InvalidParameterValue",
            f"input {given.identifier}: a Reference is fetched by a plain GET; "
            "give it without headers and body",
            given.identifier,
        )
    try:
        check_address(reference.href)
        body = _body(reference.href, limit, deadline)
    except TaskError as error:
        error.locator = given.identifier
        raise
    return replace(
        given,
        reference=None,
        data=_text(given, body),
        mime_type=given.mime_type or reference.mime_type,
        schema=given.schema or reference.schema,
    )


def _body(href: str, limit: int, deadline: float) -> bytes:
    policy = replace(settings.COMPUTE.sources, timeout=SILENT_SECONDS)
    body = bytearray()
    with stream(href, policy) as response:
        while block := response.raw.read1(BLOCK):
            body += block
            if len(body) > limit:
                raise TooLarge(
                    f"{href}: the inputs of a request may have "
                    f"{settings.COMPUTE.request_bytes} bytes together; this one has more"
                )
            if time.monotonic() > deadline:
                raise Transient(f"{href}: its {FETCH_SECONDS:g} s are over and it is not complete")
    return bytes(body)


def _text(given: Input, body: bytes) -> str:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = ""
    if is_printable(text) and (text or not body):
        return text
    raise ProtocolError(
        "InvalidParameterValue",
        f"input {given.identifier}: what its address answers is not text in UTF-8",
        given.identifier,
    )
