"""Real services for the tests: Redis, PostgreSQL and the whole service, each started once."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import django
import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

_DATA_DIR = tempfile.mkdtemp(prefix="compute-tests-")

# Django reads its settings after this module is imported and never sees those of the developer.
for _name in [name for name in os.environ if name.startswith("COMPUTE_")]:
    del os.environ[_name]
os.environ["COMPUTE_DATA_DIR"] = _DATA_DIR
os.environ["DJANGO_SETTINGS_MODULE"] = "compute.settings"

from compute.broker import PrivateRedis  # noqa: E402
from compute.demo.archive import make_archive  # noqa: E402
from compute.demo.server import Service, service  # noqa: E402
from compute.testing.kube.assets import AssetsError  # noqa: E402
from compute.testing.kube.cluster import Cluster  # noqa: E402
from compute.testing.kube.cluster import cluster as kube_cluster  # noqa: E402
from compute.testing.postgres import fresh_database, postgres_server  # noqa: E402

_postgres = contextlib.ExitStack()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Offer --postgres."""
    parser.addoption(
        "--postgres", action="store_true", help="run Django's tests on a real PostgreSQL"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Set Django up, on PostgreSQL if asked, before test modules import its models."""
    if config.getoption("--postgres"):
        os.environ["COMPUTE_DATABASE_URL"] = _postgres.enter_context(postgres_server())
    django.setup()


def pytest_unconfigure() -> None:
    """Stop what was started for the run and remove its files."""
    _postgres.close()
    shutil.rmtree(_DATA_DIR, ignore_errors=True)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """Address of a real Redis, empty at first."""
    private = PrivateRedis()
    quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
    with subprocess.Popen(private.arguments, **quiet) as server:
        server.stdin.write(private.configuration)
        server.stdin.close()
        patient = Retry(ConstantBackoff(0.05), 400)
        redis.Redis.from_url(private.url, retry=patient).ping()
        yield private.url
        server.terminate()


@pytest.fixture(scope="session")
def postgres_url(pytestconfig: pytest.Config) -> Iterator[str]:
    """Address of an empty database in a real PostgreSQL."""
    if not pytestconfig.getoption("--postgres"):
        with postgres_server() as url:
            yield url
        return
    yield os.environ["COMPUTE_DATABASE_URL"]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the demonstration's files."""
    folder = tmp_path_factory.mktemp("archive")
    make_archive(folder)
    return folder


@pytest.fixture(scope="session")
def served(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The whole service in its embedded default, with the demonstration's archive."""
    yield from _serve(tmp_path_factory.mktemp("served"), archive, {})


@pytest.fixture(scope="session", params=["embedded", "postgres"])
def served_on(
    request: pytest.FixtureRequest, archive: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    """The whole service twice: embedded, then on PostgreSQL and a Redis of its own."""
    if request.param == "embedded":
        yield request.getfixturevalue("served")
        return
    outside = {
        "COMPUTE_DATABASE_URL": fresh_database(request.getfixturevalue("postgres_url")),
        "COMPUTE_REDIS_URL": request.getfixturevalue("redis_url"),
    }
    yield from _serve(tmp_path_factory.mktemp("postgres"), archive, outside)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """A real Kubernetes control plane whose pods are processes of this machine."""
    with contextlib.ExitStack() as stack:
        try:
            running = stack.enter_context(kube_cluster())
        except AssetsError as error:
            pytest.skip(f"KUBERNETES IS NOT TESTED: {error}")
        yield running


def _serve(folder: Path, archive: Path, environment: Mapping[str, str]) -> Iterator[Service]:
    shutil.copytree(archive, folder / "archive")
    # A worker of the tests must not take the port of one that is in use.
    with service(folder, {"COMPUTE_METRICS_PORT": "0", **environment}) as running:
        yield running


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[pytest.TestReport]:
    """Show the end of the service's log beside a failure of a test that used it."""
    report = yield
    if report.failed:
        used = getattr(item, "funcargs", {}).values()
        for running in (value for value in used if isinstance(value, Service)):
            lines = running.log.read_text().splitlines()[-20:]
            report.sections.append((f"log of {running.url}", "\n".join(lines)))
    return report
