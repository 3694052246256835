"""The addresses of the service."""

from django.urls import include, path

from compute_wps import front, health
from compute_wps.views import metrics_page

handler400 = "compute_wps.views.unusable_request"

urlpatterns = [
    path("", front.front),
    path("health", health.health),
    path("ready", health.ready),
    path("metrics", metrics_page),
    path("api/", include("compute.provisioner.api.urls")),
    path("data/", include("compute_wps.data.urls")),
    path("", include("compute_wps.urls")),
]
