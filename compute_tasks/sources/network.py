"""Requests to remote servers: checked addresses, bounded answers, timeouts, retries, clear errors.

Every remote read of the science goes through `stream` or `fetch`. Nothing from the environment
(proxies, netrc) is used and no credentials are sent.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any, TypeVar
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    wait_exponential,
    wait_random,
)
from urllib3.exceptions import LocationParseError

from compute_tasks.errors import InvalidInput, SourceError, TooLarge, Transient
from compute_tasks.sources.addresses import pool_classes
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.sources.urls import check_address

PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may go away by themselves."""
MAX_REDIRECTS = 5
BLOCK = 1 << 20

T = TypeVar("T")


class _Adapter(HTTPAdapter):
    def __init__(self, allowed: frozenset[str], connections: int) -> None:
        self.allowed = allowed
        super().__init__(pool_maxsize=connections, pool_block=True)

    def init_poolmanager(self, *args: Any, **keywords: Any) -> None:
        super().init_poolmanager(*args, **keywords)
        self.poolmanager.pool_classes_by_scheme = pool_classes(self.allowed)


@lru_cache(maxsize=8)
def _session(allowed: frozenset[str], connections: int, process: int) -> requests.Session:
    """Return the process' session; a forked child must not share its parent's connections."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.headers["Accept-Encoding"] = "identity"
    session.headers["User-Agent"] = "esgf-compute"
    session.adapters.clear()
    for scheme in ("http://", "https://"):
        session.mount(scheme, _Adapter(allowed, connections))
    return session


@contextmanager
def stream(
    uri: str,
    policy: SourcePolicy,
    headers: Mapping[str, str] | None = None,
    shown: str | None = None,
) -> Iterator[requests.Response]:
    """Open a GET and yield the response with status below 300, its body not yet read.

    Raises SourceRefused for a forbidden host, Transient for what may pass (also while the body is
    read inside the `with`), SourceError for other refusals of the remote server. Errors call the
    file `shown`, by default the uri.
    """
    shown = shown or uri
    with translated(shown, policy), _followed(uri, policy, headers) as response:
        if response.status_code >= 300:
            raise refusal(shown, response)
        yield response


def _followed(
    uri: str, policy: SourcePolicy, headers: Mapping[str, str] | None
) -> requests.Response:
    """GET with redirects followed here, because requests reads their bodies whole, however long."""
    session = _session(policy.allowed_hosts, policy.connections, os.getpid())
    target = uri
    for _ in range(MAX_REDIRECTS + 1):
        check_address(target)
        response = session.get(
            target, headers=headers, stream=True, timeout=policy.timeout, allow_redirects=False
        )
        if not response.is_redirect:
            return response
        response.close()
        target = urljoin(target, response.headers["Location"])
    raise SourceError(f"{uri}: more than {MAX_REDIRECTS} redirects", locator="variable")


def fetch(uri: str, policy: SourcePolicy, limit: int, shown: str) -> bytes:
    """Return the body of a GET; TooLarge if it has more than `limit` bytes; else as `stream`."""
    with stream(uri, policy, shown=shown) as response:
        body = bytearray()
        for block in response.iter_content(BLOCK):
            body += block
            if len(body) > limit:
                raise TooLarge(
                    f"{shown}: the answer has more than the expected {limit} bytes",
                    locator="variable",
                )
    return bytes(body)


def retried(policy: SourcePolicy, action: Callable[[], T]) -> T:
    """Return action(), tried again with growing pauses while it raises Transient."""
    wait = wait_exponential(multiplier=policy.backoff, max=30) + wait_random(0, policy.backoff)
    attempts = Retrying(
        retry=retry_if_exception_type(Transient),
        stop=stop_after_attempt(policy.attempts),
        wait=wait,
        before_sleep=lambda state: _tell(policy, state),
        reraise=True,
    )
    try:
        return attempts(action)
    except Transient as error:
        if policy.attempts == 1:
            raise
        message = f"{error.message} (tried {policy.attempts} times)"
        raise Transient(message, locator=error.locator) from error


def _tell(policy: SourcePolicy, state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, Transient) and state.next_action:
        count = f"try {state.attempt_number + 1} of {policy.attempts}"
        policy.notice(f"{error.message}; {count} in {state.next_action.sleep:.1f} s")


@contextmanager
def translated(uri: str, policy: SourcePolicy) -> Iterator[None]:
    """Turn the errors of requests into ours, naming the address."""
    try:
        yield
    except requests.exceptions.SSLError as error:
        message = f"{uri}: the certificate of the server is not valid"
        raise SourceError(message, locator="variable") from error
    except (requests.exceptions.InvalidURL, LocationParseError) as error:
        raise InvalidInput(f"{uri!r} is not a valid address", locator="variable") from error
    except requests.RequestException as error:
        what = "the connection failed or ended early"
        # While a body is read, requests reports silence as a ConnectionError.
        if isinstance(error, requests.Timeout) or "timed out" in str(error).lower():
            what = f"the server was silent for {policy.timeout:g} s"
        raise Transient(f"{uri}: {what}", locator="variable") from error


def refusal(uri: str, response: requests.Response) -> SourceError:
    """Return the error that says with which status the remote server refused."""
    kind = Transient if response.status_code in PASSING else SourceError
    meaning = {
        401: "it wants a login",
        403: "it does not give this file to us",
        404: "no such file there",
        410: "the file was removed",
    }.get(response.status_code, response.reason or "no reason given")
    text = f"{uri}: the server answered {response.status_code}: {meaning}"
    return kind(text, locator="variable")
