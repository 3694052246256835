"""The addresses of results, mounted at `/data/`."""

from django.urls import path, re_path

from compute_wps.data import views

urlpatterns = [
    path("fileServer/<path:path>", views.file_server),
    path("dodsC/<path:path>", views.dods_server),
    re_path(r"^catalog\.(?P<form>xml|html)$", views.top_catalog),
    re_path(
        r"^catalog/(?P<owner>[^/]+)/(?P<job>[^/]+)/catalog\.(?P<form>xml|html)$", views.job_catalog
    ),
]
