"""Django's settings, derived from the typed ones in `compute.env`."""

import sys

import dj_database_url

from compute.env import load
from compute.logs import logging_config

COMPUTE = load()

SECRET_KEY = COMPUTE.key()
OPERATOR_TOKEN = COMPUTE.operator()
DEBUG = False
ALLOWED_HOSTS = list(COMPUTE.allowed_hosts) or ["*"]

INSTALLED_APPS = ["django.contrib.contenttypes", "compute_wps", "compute.provisioner"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "compute_wps.middleware.RequestId",
    "compute_wps.middleware.HeadWithoutBody",
    "compute.provisioner.api.middleware.Problems",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "compute.urls"
WSGI_APPLICATION = "compute.wsgi.application"
APPEND_SLASH = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
DATA_UPLOAD_MAX_MEMORY_SIZE = COMPUTE.request_bytes

DATABASES = {"default": dj_database_url.parse(COMPUTE.database, conn_max_age=60)}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    COMPUTE.data_dir.mkdir(parents=True, exist_ok=True)
    DATABASES["default"]["OPTIONS"] = {
        # Readers never wait for the writer, and a writer waits its turn instead of failing.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
    }
    # In a file as well: the threads of one test must not share a connection.
    DATABASES["default"]["TEST"] = {"NAME": str(COMPUTE.data_dir / "test.sqlite3")}
else:
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True
    # A database that vanished without a word must not be waited for until TCP gives up.
    DATABASES["default"]["OPTIONS"] = {
        "connect_timeout": 5,
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 20_000,
        **DATABASES["default"].get("OPTIONS", {}),
    }

# The service is reached over plain HTTP on a laptop and behind a TLS-ending proxy in production.
if COMPUTE.trusted_proxy:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    USE_X_FORWARDED_HOST = True
SECURE_SSL_REDIRECT = False
SECURE_HSTS_SECONDS = 0 if COMPUTE.embedded else 31_536_000
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = not COMPUTE.embedded
CSRF_COOKIE_SECURE = SESSION_COOKIE_SECURE = not COMPUTE.embedded
SILENCED_SYSTEM_CHECKS = [
    # TLS and the redirect to it belong to the proxy in front; probes come over plain HTTP.
    "security.W008",
]

LOGGING_CONFIG = None
logging_config(COMPUTE.log_format, COMPUTE.log_level, stream=sys.stderr)

# The Celery application, by name: the service must not import the wiring.
CELERY_APP = "compute.celery.app"

# A node's worker notes which jobs it works on; likewise by name.
AROUND_JOB = "compute.provisioner.beat.working"

# A job that is too big for one machine asks for a dask cluster; likewise by name.
CLUSTERS = "compute.provisioner.clusters.cluster_for"
