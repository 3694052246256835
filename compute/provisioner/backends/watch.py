"""What the API server says of our pods, kept up to date by a watch in a thread.

The list is read once; a watch goes on from its version and, when it ends or breaks, from the
last version seen. Only when the server has forgotten that version (410) is the list read again.
"""

import json
import random
import threading
from collections.abc import Mapping
from typing import Any

import structlog
import urllib3
from kubernetes import client
from kubernetes.client.exceptions import ApiException
from kubernetes.watch.watch import iter_resp_lines

Pod = Mapping[str, Any]

WATCH_SECONDS = 60
"""How long one watch lasts. A connection that broke without a word is noticed soon after."""

CONNECT_SECONDS, SLACK_SECONDS = 5.0, 10.0
PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0

BUSY = (429, 500, 502, 503, 504)
"""What a server answers that could not look; everything else says that the version is no good."""

BROKEN = (ApiException, urllib3.exceptions.HTTPError, OSError)
"""What a call ends in to an API server that refuses it or is away."""

logger = structlog.get_logger(__name__)


class Pods:
    """The pods of a namespace that a selector finds."""

    def __init__(self, core: client.CoreV1Api, namespace: str, selector: str) -> None:
        self._core, self._namespace, self._selector = core, namespace, selector
        self._pods: dict[str, Pod] = {}
        self._version = ""
        self._lock = threading.Lock()
        self._current = threading.Event()
        self._away = "no answer yet"
        self._stopping = threading.Event()
        self._response: urllib3.HTTPResponse | None = None
        self._thread = threading.Thread(target=self._run, name="pods", daemon=True)
        self._thread.start()

    def all(self, seconds: float) -> list[Pod]:
        """Return the pods; ConnectionError when the server does not answer within so long."""
        if not self._current.wait(seconds):
            raise ConnectionError(self._away)
        with self._lock:
            return list(self._pods.values())

    def put(self, pod: Pod) -> None:
        """Take in a pod that a call of ours returned, unless the watch is further than that."""
        with self._lock:
            if _version(pod) > int(self._version or 0):
                self._pods[_name(pod)] = pod

    def stop(self) -> None:
        """Watch no more."""
        self._stopping.set()
        if self._response:
            self._response.shutdown()
        self._thread.join()

    def _run(self) -> None:
        pause = PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                if not self._version:
                    self._list()
                self._follow()
                pause = PAUSE_SECONDS
            except BROKEN as error:
                self._broken(error)
                wait = max(seconds_asked(error), pause * random.uniform(0.5, 1))  # noqa: S311
                self._stopping.wait(wait)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _list(self) -> None:
        found = self._ask(CONNECT_SECONDS + SLACK_SECONDS).json()
        with self._lock:
            self._pods = {_name(pod): pod for pod in found["items"]}
            self._version = found["metadata"]["resourceVersion"]

    def _follow(self) -> None:
        """Take in what one watch says until it ends."""
        self._response = self._ask(
            WATCH_SECONDS + SLACK_SECONDS,
            watch=True,
            resource_version=self._version,
            allow_watch_bookmarks=True,
            timeout_seconds=WATCH_SECONDS,
        )
        try:
            if self._stopping.is_set():
                return
            self._current.set()
            for line in iter_resp_lines(self._response):
                event = json.loads(line)
                self._take(event["type"], event["object"])
        finally:
            # The rest of the answer must not be taken for that of another call.
            self._response.close()
            self._response.release_conn()

    def _ask(self, seconds: float, **options: Any) -> urllib3.HTTPResponse:
        return self._core.list_namespaced_pod(
            self._namespace,
            label_selector=self._selector,
            _preload_content=False,
            _request_timeout=(CONNECT_SECONDS, seconds),
            **options,
        )

    def _take(self, kind: str, item: Pod) -> None:
        if kind == "ERROR":
            raise ApiException(status=item.get("code", 0), reason=item.get("message", ""))
        with self._lock:
            if kind == "DELETED":
                self._pods.pop(_name(item), None)
            elif kind != "BOOKMARK":
                self._pods[_name(item)] = item
            self._version = item["metadata"]["resourceVersion"]

    def _broken(self, error: Exception) -> None:
        if isinstance(error, ApiException) and error.status not in BUSY:
            self._version = ""
        if self._current.is_set() and not self._stopping.is_set():
            logger.warning("watch of pods broke", reason=reason_of(error))
        self._away = reason_of(error)
        self._current.clear()


def reason_of(error: Exception) -> str:
    """Return in a few words what a call to the API server ended in."""
    if isinstance(error, ApiException):
        return f"{error.status} {error.reason}"
    return type(error).__name__


def seconds_asked(error: Exception) -> float:
    """Return the seconds a busy server asks to wait."""
    headers = getattr(error, "headers", None) or {}
    given = headers.get("Retry-After", "")
    return float(given) if given.isdigit() else 0.0


def _name(pod: Pod) -> str:
    return str(pod["metadata"]["name"])


def _version(pod: Pod) -> int:
    return int(pod["metadata"]["resourceVersion"])
