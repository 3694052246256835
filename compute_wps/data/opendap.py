"""DAP2 answers as HTTP responses."""

from collections.abc import Callable
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.html import format_html

from compute_wps.data.dap2 import constraint, text, xdr
from compute_wps.data.dap2.dataset import describe
from compute_wps.data.dap2.errors import DapError
from compute_wps.data.pages import page

HEADERS = {"XDODS-Server": "dods/2.0", "XDAP": "2.0", "X-Content-Type-Options": "nosniff"}
VERSION = "Core version: dods/2.0\nServer version: esgf-compute\n"


def answer(request: HttpRequest, path: Path, form: str) -> HttpResponseBase:
    """Answer one request for a file; `form` is a key of FORMS. Raises DapError."""
    return FORMS[form](request, path)


def failure(problem: DapError) -> HttpResponse:
    """Return the error document with its HTTP status."""
    return _text(text.error(problem), "dods_error", status=problem.code)


def _dds(request: HttpRequest, path: Path) -> HttpResponse:
    dataset = describe(path)
    return _text(text.dds(dataset, constraint.parse(_expression(request), dataset)), "dods_dds")


def _das(request: HttpRequest, path: Path) -> HttpResponse:
    return _text(text.das(describe(path)), "dods_das")


def _version(request: HttpRequest, path: Path) -> HttpResponse:
    return _text(VERSION, "dods_version")


def _dods(request: HttpRequest, path: Path) -> HttpResponseBase:
    dataset = describe(path)
    projections = constraint.parse(_expression(request), dataset)
    _check_size(projections)
    head = text.dds(dataset, projections).encode()
    headers = {
        **HEADERS,
        "Content-Type": "application/octet-stream",
        "Content-Description": "dods_data",
    }
    if (size := xdr.size(head, projections)) is not None:
        headers["Content-Length"] = str(size)
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    return StreamingHttpResponse(xdr.stream(path, head, projections), headers=headers)


def _check_size(projections: tuple[constraint.Projection, ...]) -> None:
    asked = sum(part.bytes for projection in projections for part in projection.parts)
    limit = settings.COMPUTE.opendap_response_bytes
    if asked > limit:
        raise DapError(
            413,
            f"the answer would have {asked} bytes and {limit} are allowed in one; ask for parts, "
            "or download the file by HTTP",
        )


def _page(request: HttpRequest, path: Path) -> HttpResponse:
    dataset = describe(path)
    address = request.build_absolute_uri(request.path.removesuffix(".html"))
    body = format_html(
        "<p>An OPeNDAP (DAP2) address: open <code>{base}</code> with a client such as xarray, or "
        'see its <a href="{base}.dds">structure</a> and <a href="{base}.das">attributes</a>.</p>'
        "<pre>{dds}</pre>",
        base=address,
        dds=text.dds(dataset, constraint.parse("", dataset)),
    )
    return HttpResponse(page(dataset.name, body))


def _expression(request: HttpRequest) -> str:
    return str(request.META.get("QUERY_STRING", ""))


def _text(body: str, description: str, status: int = 200) -> HttpResponse:
    headers = {**HEADERS, "Content-Description": description}
    return HttpResponse(
        body, status=status, headers=headers, content_type="text/plain; charset=utf-8"
    )


FORMS: dict[str, Callable[[HttpRequest, Path], HttpResponseBase]] = {
    "dds": _dds,
    "das": _das,
    "dods": _dods,
    "ver": _version,
    "html": _page,
}
