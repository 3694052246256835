"""Results over HTTP: downloads, OPeNDAP and catalogs. Each view finds the file and hands over."""

from collections.abc import Callable
from functools import wraps

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from compute_wps.data import catalog, opendap
from compute_wps.data.dap2.errors import DapError
from compute_wps.data.downloads import download
from compute_wps.data.files import NotServedError, find, find_netcdf, listing
from compute_wps.data.links import Links, links

View = Callable[..., HttpResponseBase]


def _read_only(view: View) -> View:
    """Answer GET and HEAD; any other method gets 405, whatever tokens it brings."""
    return csrf_exempt(require_safe(view))


def _refuses_in_text(view: View) -> View:
    """Answer 404 with one line when there is no such result."""

    @wraps(view)
    def guarded(request: HttpRequest, **arguments: str) -> HttpResponseBase:
        try:
            return view(request, **arguments)
        except NotServedError as error:
            return HttpResponse(f"{error}\n", status=404, content_type="text/plain; charset=utf-8")

    return guarded


@_read_only
@_refuses_in_text
def file_server(request: HttpRequest, path: str) -> HttpResponseBase:
    """Give the file, or the asked range of it."""
    return download(request, find(settings.COMPUTE.outputs_dir, path))


@_read_only
def dods_server(request: HttpRequest, path: str) -> HttpResponseBase:
    """Give the DAP2 answer that the suffix asks for."""
    name, _, form = path.rpartition(".")
    try:
        if form in opendap.FORMS:
            return opendap.answer(request, find_netcdf(settings.COMPUTE.outputs_dir, name), form)
        find_netcdf(settings.COMPUTE.outputs_dir, path)
    except NotServedError as error:
        return opendap.failure(DapError(404, str(error)))
    except DapError as error:
        return opendap.failure(error)
    return HttpResponseRedirect(f"{request.path}.html")


@_read_only
@_refuses_in_text
def top_catalog(request: HttpRequest, form: str) -> HttpResponse:
    """Give the catalog that names the services."""
    return _catalog(request, form, None, [])


@_read_only
@_refuses_in_text
def job_catalog(request: HttpRequest, owner: str, job: str, form: str) -> HttpResponse:
    """Give the catalog of one job's results."""
    files = listing(settings.COMPUTE.outputs_dir, owner, job)
    paths = [f"{owner}/{job}/{file.name}" for file in files]
    entries = [
        catalog.entry(file, path, _links(request, path))
        for file, path in zip(files, paths, strict=True)
    ]
    return _catalog(request, form, f"{owner}/{job}", entries)


def _catalog(
    request: HttpRequest, form: str, job: str | None, entries: list[catalog.Entry]
) -> HttpResponse:
    title = settings.COMPUTE.service_title
    if form == "html":
        return HttpResponse(catalog.html(title, job, entries))
    document = catalog.xml(title, _links(request, ""), job, entries)
    return HttpResponse(document, content_type="application/xml")


def _links(request: HttpRequest, path: str) -> Links:
    base = settings.COMPUTE.public_url or f"{request.scheme}://{request.get_host()}"
    return links(base, path, settings.COMPUTE.thredds_url)
