"""The addresses below `/wps`."""

from django.urls import path, re_path

from compute_wps import views
from compute_wps.api.endpoints import api

urlpatterns = [
    path("wps", views.wps, name="wps"),
    path("wps/", views.wps),
    re_path(r"^wps/api/job/(?P<job_id>[^/]*)\.wps/?$", views.job_document),
    re_path(r"^wps/api/status/(?P<status_id>[^/]*)\.wps/?$", views.status_document),
    path("wps/api/", api.urls),
]
