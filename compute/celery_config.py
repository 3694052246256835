"""Celery's settings. The broker only carries job ids: the database is the truth."""

import sys

from django.conf import settings

# Without a broker nothing leaves the process; `compute serve` starts one and sets its address.
broker_url = settings.COMPUTE.redis_url or "memory://"
broker_connection_retry_on_startup = True
# A worker waits for its broker for as long as that takes: what it runs goes on meanwhile.
broker_connection_max_retries = None
broker_transport_options = {
    "socket_connect_timeout": 2,
    "visibility_timeout": 86_400,
    # Whoever sends while the broker is away must not wait: the outbox sends again.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.1,
}

# Django's own settings say how long a connection is kept; Celery would end it around each job.
CELERY_DB_REUSE_MAX = sys.maxsize

accept_content = ["json"]
task_serializer = result_serializer = "json"
task_ignore_result = True
task_default_queue = "default"

# A worker holds one message and acknowledges it at the end, so that no job waits behind a long one
# while another worker is free. A message delivered twice finds nothing to claim.
task_acks_late = True
worker_prefetch_multiplier = 1
worker_cancel_long_running_tasks_on_connection_loss = False
worker_hijack_root_logger = False
worker_redirect_stdouts = False
worker_send_task_events = False
