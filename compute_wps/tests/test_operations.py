"""What operators look at: health, metrics, request ids."""

import pytest
from prometheus_client import REGISTRY

from compute_wps import health, metrics, tasks

pytestmark = pytest.mark.database


def value(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.fixture
def counted():
    """Tell by how much a metric grew since the test began."""

    class Counted:
        before: dict = {}

        def watch(self, name, **labels):
            self.before[name] = (value(name, **labels), labels)

        def grown(self, name):
            before, labels = self.before[name]
            return value(name, **labels) - before

    return Counted()


def test_health_asks_nobody(client, django_assert_num_queries, transactional_db):
    with django_assert_num_queries(0):
        assert client.get("/health").json() == {"status": "ok"}


def test_not_ready_without_broker_and_worker(client, transactional_db):
    response = client.get("/ready")
    assert response.status_code == 503
    checks = response.json()["checks"]
    assert checks["database"] == "ok"
    assert "COMPUTE_REDIS_URL" in checks["broker"]
    assert checks["worker"].startswith("failed")


def test_ready_when_each_check_is_good(client, db, monkeypatch):
    monkeypatch.setattr(health, "CHECKS", {"database": health.CHECKS["database"]})
    assert client.get("/ready").json() == {"status": "ok", "checks": {"database": "ok"}}


def test_a_failing_check_does_not_show_its_text(client, db, monkeypatch):
    def broken() -> str:
        raise ConnectionError("redis://:password@host")

    monkeypatch.setattr(health, "CHECKS", {"broker": broken})
    response = client.get("/ready")
    assert response.status_code == 503
    assert response.json()["checks"] == {"broker": "failed: ConnectionError"}


@pytest.mark.parametrize("path", ["/metrics", "/wps/api/metrics", "/wps/api/metrics/"])
def test_the_metrics_of_the_web(client, db, path):
    response = client.get(path)
    assert response["Content-Type"].startswith("text/plain")
    for name in ("wps_job_state_total", "wps_request_seconds", "wps_errors_total"):
        assert f"# TYPE {name.removesuffix('_total')}" in response.content.decode()


def test_requests_and_refusals_are_counted(client, db, counted):
    counted.watch("wps_request_seconds_count", request="GetCapabilities", method="GET")
    counted.watch("wps_errors_total")
    client.get("/wps", {"service": "WPS", "request": "GetCapabilities"})
    client.get("/wps")
    assert counted.grown("wps_request_seconds_count") == 1
    assert counted.grown("wps_errors_total") == 1


def test_a_job_counts_what_it_used(job, counted):
    counted.watch("wps_job_state_total", state="succeeded")
    counted.watch("task_build_workflow_duration_seconds_count")
    counted.watch("task_execute_workflow_duration_seconds_count")
    counted.watch("task_workflow_success_total")
    counted.watch("task_process_used_total", identifier="CDAT.mean")
    counted.watch("task_data_access_total", host="local")
    counted.watch("task_preprocess_bytes_count", identifier="CDAT.mean")
    counted.watch("task_postprocess_bytes_count", identifier="CDAT.mean")
    tasks.run_job(str(job.id))
    assert {name: counted.grown(name) for name in counted.before} == dict.fromkeys(
        counted.before, 1
    )


def test_a_failed_job_counts_what_could_not_be_read(transactional_db, accept, counted):
    counted.watch("task_workflow_failure_total")
    counted.watch("task_data_access_failure_total", host="local")
    job = accept(variable='[{"uri": "/nowhere/a.nc", "id": "tas|v0"}]')
    tasks.run_job(str(job.id))
    assert counted.grown("task_workflow_failure_total") == 1
    assert counted.grown("task_data_access_failure_total") == 1


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("https://esgf.llnl.gov/a.nc", "esgf.llnl.gov"),
        ("/a/b.nc", "local"),
        ("http://[x", "invalid"),
    ],
)
def test_the_host_of_an_address(uri, host):
    assert metrics.host_of(uri) == host


def test_head_answers_without_a_body_but_with_its_length(client, db):
    whole, head = client.get("/health"), client.head("/health")
    assert head.content == b""
    assert head["Content-Length"] == str(len(whole.content))


def test_a_sane_request_id_is_kept_and_another_replaced(client, db):
    sane = client.get("/health", headers={"X-Request-ID": "abc-1"})
    assert sane["X-Request-ID"] == "abc-1"
    for given in ("", "x" * 65, "a b", "a\x1b[31m"):
        made = client.get("/health", headers={"X-Request-ID": given})["X-Request-ID"]
        assert made != given
        assert made.isalnum()
