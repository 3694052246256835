"""The Celery application: queues, JSON only, nothing kept in the broker that matters."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "compute.settings")

app = Celery("compute")
app.config_from_object("compute.celery_config")
app.autodiscover_tasks(["compute_wps"])
app.autodiscover_tasks(["compute.provisioner"], related_name="beat")
