"""The addresses below `/api/`."""

from django.urls import path, re_path

from compute.provisioner.api.endpoints import api
from compute.provisioner.api.problems import unknown

urlpatterns = [
    path("", api.urls),
    re_path(r"^(?P<rest>.*)$", unknown),
]
