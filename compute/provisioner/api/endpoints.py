"""The REST interface as a whole: its addresses, its refusals, its own description."""

from django.http import HttpRequest, HttpResponse, JsonResponse
from pydantic import JsonValue

from compute import __version__
from compute.provisioner.api import boot_profiles, groups, nodes, pools, reports
from compute.provisioner.api.problems import ProblemAPI, Refused, install, refusals
from compute.provisioner.kinds import KINDS

DESCRIPTION = """Pools of compute nodes, the nodes, groups of them and boot profiles.

Only operators may change records, by `Authorization: Bearer <token>`; without it the answers show
what belongs to the caller. A change of a record needs `If-Match` with the `ETag` it was read with.
Lists come in pages: `next` is the `cursor` of the following one. Refusals are problem details as
of RFC 9457.
"""

api = ProblemAPI(
    title="ESGF Compute nodes",
    version=__version__,
    description=DESCRIPTION,
    urls_namespace="provisioner",
    openapi_url=None,
    docs_url=None,
    openapi_extra={
        "components": {"securitySchemes": {"operator": {"type": "http", "scheme": "bearer"}}},
        "security": [{"operator": []}, {}],
    },
)
install(api)
api.add_router("/pools", pools.router)
api.add_router("/compute-nodes", nodes.router)
api.add_router("/groups", groups.router)
api.add_router("/boot-profiles", boot_profiles.router)
api.add_router("", reports.router)


@api.get("/schemas", summary="List the kinds of YAML documents", tags=["schemas"])
def list_schemas(request: HttpRequest) -> dict[str, str]:
    """Return the address of the JSON Schema of each kind of document."""
    return {name: f"{request.path}/{name}" for name in KINDS}


@api.get(
    "/schemas/{kind}",
    response={200: dict[str, JsonValue], **refusals(404)},
    summary="Show the JSON Schema of a kind",
    tags=["schemas"],
)
def show_schema(request: HttpRequest, kind: str) -> HttpResponse:
    """Return the JSON Schema that a YAML document of the kind must meet."""
    if kind not in KINDS:
        raise Refused(404, f"there is no kind {kind!r}; there are {', '.join(KINDS)}")
    return JsonResponse(KINDS[kind].schema(), content_type="application/schema+json")


@api.get("/openapi.json", include_in_schema=False)
def describe(request: HttpRequest) -> dict[str, JsonValue]:
    """Return the OpenAPI document of these addresses."""
    return dict(api.get_openapi_schema())
