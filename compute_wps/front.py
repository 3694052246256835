"""The page a person sees who opens the service's address in a browser."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.views.decorators.http import require_safe

from compute_wps.data.pages import page

LINKS = (
    ("/wps?service=WPS&request=GetCapabilities", "WPS 1.0.0 capabilities"),
    ("/wps?service=WPS&version=1.0.0&request=DescribeProcess&identifier=all", "all processes"),
    ("/wps/api/schema/", "REST interface (OpenAPI)"),
    ("/data/catalog.html", "results"),
    ("/ready", "state of the service"),
)


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """Answer with what this is and where its parts are."""
    items = format_html_join("", '<li><a href="{}">{}</a></li>', LINKS)
    body = format_html(
        "<p>{}</p><p>Address for WPS clients: <code>{}</code></p><ul>{}</ul>",
        settings.COMPUTE.service_abstract,
        f"{settings.COMPUTE.public_url or request.build_absolute_uri('/').rstrip('/')}/wps",
        items,
    )
    return HttpResponse(page(settings.COMPUTE.service_title, body))
