"""The three requests of WPS 1.0.0 as frozen values.

`kvp` makes them from a query string and `xml` from a posted document; behind those two nobody sees
either form. Identifiers and values are as the client wrote them; `check` holds an Execute against
the description of its process.
"""

from dataclasses import dataclass

VERSION = "1.0.0"


@dataclass(frozen=True, slots=True)
class GetCapabilities:
    """Ask what the service offers."""

    accept_versions: tuple[str, ...] = ()
    accept_formats: tuple[str, ...] = ()
    update_sequence: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class DescribeProcess:
    """Ask what processes take and give; the identifier `all`, in any case, names every one."""

    identifiers: tuple[str, ...]
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Reference:
    """An input to be fetched: `headers` and `body` are sent with the request.

    `body_href` is the address of a body to be fetched first.
    """

    href: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    body_href: str | None = None
    mime_type: str | None = None
    encoding: str | None = None
    schema: str | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """One input value: either `data`, the text as received, or `reference`.

    `literal` tells LiteralData (with `data_type` and `uom`) from ComplexData (with `mime_type`,
    `encoding` and `schema`); a query string does not say, and `check` sets it. Data is base64 text
    where `encoding` is `base64`.
    """

    identifier: str
    data: str | None = None
    literal: bool = False
    mime_type: str | None = None
    encoding: str | None = None
    schema: str | None = None
    data_type: str | None = None
    uom: str | None = None
    reference: Reference | None = None
    title: str | None = None
    abstract: str | None = None


@dataclass(frozen=True, slots=True)
class RequestedOutput:
    """An output the client wants and how."""

    identifier: str
    as_reference: bool = False
    mime_type: str | None = None
    encoding: str | None = None
    schema: str | None = None
    uom: str | None = None


@dataclass(frozen=True, slots=True)
class ResponseDocument:
    """Answer with an ExecuteResponse; no `outputs` means all of them.

    `store` keeps the response at an address, `status` answers before the process has ended,
    `lineage` repeats the inputs.
    """

    store: bool = False
    status: bool = False
    lineage: bool = False
    outputs: tuple[RequestedOutput, ...] = ()


@dataclass(frozen=True, slots=True)
class RawDataOutput:
    """Answer with the bare value of one output."""

    output: RequestedOutput


@dataclass(frozen=True, slots=True)
class Execute:
    """Run a process; `form` is None when the client did not say how to answer."""

    identifier: str
    inputs: tuple[Input, ...] = ()
    form: ResponseDocument | RawDataOutput | None = None
    language: str | None = None


Request = GetCapabilities | DescribeProcess | Execute
