"""From an Execute to an accepted job; what can be refused is refused before there is one."""

from compute_tasks import document, plan
from compute_wps import catalog, jobs, reuse
from compute_wps.identity import Caller
from compute_wps.models import Job
from compute_wps.protocol import xml
from compute_wps.protocol.check import check
from compute_wps.protocol.requests import Execute
from compute_wps.reference import fetched


def submit(
    execute: Execute, caller: Caller, *, base_url: str, request_id: str = "", reusing: bool = True
) -> Job:
    """Check the request, fetch its references and accept the job.

    With `reusing` it may have ended already, with the result of an identical one.
    Raises ProtocolError or TaskError naming what is wrong; then nothing is kept.
    """
    process = catalog.find(execute.identifier)
    execute = fetched(check(execute, process))
    ours = catalog.is_ours(execute.identifier)
    identity = ""
    if ours:
        workflow = document.parse(execute.identifier, **texts(execute))
        plan.build(workflow)
        identity = reuse.quick_identity(workflow)
    job = jobs.accept(
        identifier=execute.identifier,
        document=xml.execute_document(execute),
        queue=jobs.INGRESS if ours else jobs.DEFAULT,
        base_url=base_url,
        caller=caller,
        request_id=request_id,
        identity=identity,
        reuse=reusing,
    )
    if reuse.answer(job):
        job.refresh_from_db()
    return job


def texts(execute: Execute) -> dict[str, str]:
    """Return the JSON texts of a workflow by input."""
    return {given.identifier: given.data or "" for given in execute.inputs}
