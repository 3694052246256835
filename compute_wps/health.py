"""Whether the service lives, and whether it can do its work."""

from collections.abc import Callable

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, JsonResponse

from compute_wps.delivery import app

PING_SECONDS = 1.0


def health(request: HttpRequest) -> JsonResponse:
    """Answer that the web process is alive; nothing else is asked."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when database, broker and a worker answer, else 503 with what does not."""
    checks = {name: _outcome(check) for name, check in CHECKS.items()}
    good = all(outcome == "ok" for outcome in checks.values())
    status = {"status": "ok" if good else "unavailable", "checks": checks}
    return JsonResponse(status, status=200 if good else 503)


def _outcome(check: Callable[[], str]) -> str:
    try:
        return check()
    except Exception as error:
        # Texts of drivers name addresses and accounts; the kind of error is enough to look it up.
        return f"failed: {type(error).__name__}"


def _database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return "ok"


def _broker() -> str:
    if not settings.COMPUTE.redis_url:
        return "failed: COMPUTE_REDIS_URL is not set"
    with app().connection_for_write() as broker:
        broker.ensure_connection(max_retries=1, timeout=PING_SECONDS)
    return "ok"


def _worker() -> str:
    if not settings.COMPUTE.redis_url:
        return "failed: no broker"
    replies = app().control.ping(timeout=PING_SECONDS, limit=1)
    return "ok" if replies else "failed: no worker answered"


CHECKS = {"database": _database, "broker": _broker, "worker": _worker}
