"""What is counted, for Prometheus; names that upstream had mean the same here.

The web counts requests, workers count what they compute; a change of a job's state is counted by
whichever process made it.
"""

import os
from urllib.parse import urlsplit

import structlog
from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    start_http_server,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

__all__ = ["mark_process_dead"]

SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 1800, 7200)
BYTES = tuple(10.0**power for power in range(3, 13))
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

JOB_STATE = Counter("wps_job_state", "Jobs that entered a state", ["state"])
REQUEST = Histogram(
    "wps_request_seconds", "Seconds of a WPS request", ["request", "method"], buckets=SECONDS
)
ERRORS = Counter("wps_errors", "WPS requests answered with an exception report")

BUILD = Histogram(
    "task_build_workflow_duration_seconds", "Seconds to plan a workflow", buckets=SECONDS
)
EXECUTE = Histogram(
    "task_execute_workflow_duration_seconds", "Seconds to run a workflow", buckets=SECONDS
)
SUCCESS = Counter("task_workflow_success", "Jobs that succeeded")
FAILURE = Counter("task_workflow_failure", "Jobs that failed")
PROCESS_USED = Counter("task_process_used", "Uses of a process in workflows", ["identifier"])
DATA_ACCESS = Counter("task_data_access", "Input files read, by host", ["host"])
DATA_ACCESS_FAILURE = Counter(
    "task_data_access_failure", "Input files that could not be read, by host", ["host"]
)
SOURCE_BYTES = Histogram(
    "task_preprocess_bytes", "Bytes a job reads of its inputs", ["identifier"], buckets=BYTES
)
RESULT_BYTES = Histogram(
    "task_postprocess_bytes", "Bytes of a job's result files", ["identifier"], buckets=BYTES
)

logger = structlog.get_logger(__name__)


def exposition() -> bytes:
    """Return the metrics of all processes of the web in Prometheus' text format."""
    return generate_latest(_registry())


def serve(port: int, host: str, *collectors: Collector) -> None:
    """Answer on a port of its own, for all processes of a worker together, and for collectors.

    A port that is taken is logged, not fatal: the work matters more than its counting.
    """
    registry = _registry()
    for collector in collectors:
        registry.register(collector)
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        logger.warning("metrics not served", host=host, port=port, reason=str(error))
        return
    logger.info("metrics served", host=host, port=server.server_port)


def _registry() -> CollectorRegistry:
    """Return what collects over all processes that share a folder of counters, if there is one."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry


def host_of(uri: str) -> str:
    """Return the host of an address, `local` for a file."""
    try:
        return urlsplit(uri).hostname or "local"
    except ValueError:
        return "invalid"
