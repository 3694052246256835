"""How an Execute is answered: at once, after a bounded wait, as a document or as a bare value."""

import base64

from django.conf import settings
from django.http import FileResponse, HttpResponse, HttpResponseBase, HttpResponseRedirect

from compute_wps import catalog, documents
from compute_wps.identity import Caller
from compute_wps.models import Job, Output
from compute_wps.protocol.requests import Execute, RawDataOutput
from compute_wps.submission import submit
from compute_wps.waiting import wait

XML = "text/xml; charset=utf-8"


def execute(
    request: Execute, caller: Caller, *, base_url: str, request_id: str, reusing: bool = True
) -> HttpResponseBase:
    """Accept the job and answer in the form asked for.

    Without a form our own processes only accept, since they are made for long work; others are
    waited for, as WPS has it.
    """
    job = submit(request, caller, base_url=base_url, request_id=request_id, reusing=reusing)
    form = request.form
    if isinstance(form, RawDataOutput):
        return raw(job := wait(job.id), documents.value_of(job, form.output.identifier))
    if form is None and catalog.is_ours(job.identifier):
        return xml(documents.acceptance(job))
    if form is not None and form.status:
        return xml(documents.response(job))
    job = wait(job.id)
    kept = form is not None and form.store
    return xml(documents.response(job, located=kept or job.finished is None))


def raw(job: Job, output: Output) -> HttpResponseBase:
    """Answer with the bare value of an output."""
    content_type = output.mime_type or "text/plain; charset=utf-8"
    if output.kind == Output.Kind.REFERENCE:
        return HttpResponseRedirect(output.value)
    if output.kind == Output.Kind.FILE:
        file = (settings.COMPUTE.outputs_dir / output.path).open("rb")
        return FileResponse(file, content_type=content_type)
    if output.encoding == "base64":
        return HttpResponse(base64.b64decode(output.value), content_type=content_type)
    return HttpResponse(output.value.encode(), content_type=content_type)


def xml(document: bytes, status: int = 200) -> HttpResponse:
    """Answer with a document; clients choose their reading of errors by this content type."""
    return HttpResponse(document, status=status, content_type=XML)
