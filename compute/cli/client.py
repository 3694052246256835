"""The REST interface of the control plane as commands use it, from this machine or another."""

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

import click
import requests

from compute.cli.config import read_config
from compute.env import Config
from compute.provisioner.kinds import Kind

DEFAULT_URL = "http://127.0.0.1:8000"
OF_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")
TIMEOUT_SECONDS = 60
PAGE = 1000

Record = dict[str, Any]


class RefusedError(click.ClickException):
    """The service refuses a request; `status` and `problem` are its answer."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        super().__init__(str(problem.get("detail") or f"the service answered with {status}"))
        self.status = status
        self.problem = problem


class NoAnswerError(click.ClickException):
    """There is no service at the address."""


class Client:
    """A service by its address."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        self._session = requests.Session()
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def list(self, path: str, **filters: Any) -> Iterator[Record]:
        """Give the items of every page of a list."""
        given = {name: value for name, value in filters.items() if value not in (None, "", (), [])}
        given |= {"limit": PAGE}
        while True:
            page = self.ask("GET", path, params=given).json()
            yield from page["items"]
            if page["next"] is None:
                return
            given |= {"cursor": page["next"]}

    def get(self, kind: Kind, name: str) -> tuple[Record, str]:
        """Return a record and the tag of its version."""
        answer = self.ask("GET", _path(kind, name))
        return answer.json(), answer.headers.get("ETag", "")

    def find(self, kind: Kind, name: str) -> tuple[Record | None, str]:
        """Return a record and its tag, None when there is none of that name."""
        try:
            return self.get(kind, name)
        except RefusedError as error:
            if error.status != requests.codes.not_found:
                raise
            return None, ""

    def create(self, kind: Kind, body: Record) -> Record:
        """Create a record and return it."""
        return dict(self.ask("POST", kind.path, json=body).json())

    def replace(self, kind: Kind, name: str, body: Record, tag: str) -> Record:
        """Give the version of a record that has the tag new values."""
        headers = {"If-Match": tag}
        return dict(self.ask("PUT", _path(kind, name), json=body, headers=headers).json())

    def change(self, kind: Kind, name: str, changes: Record, tag: str) -> Record:
        """Change some values of the version of a record that has the tag."""
        headers = {"If-Match": tag}
        return dict(self.ask("PATCH", _path(kind, name), json=changes, headers=headers).json())

    def delete(self, kind: Kind, name: str) -> None:
        """Remove a record."""
        self.ask("DELETE", _path(kind, name))

    def drain(self, kind: Kind, name: str, seconds: float | None) -> Record:
        """Drain a record's nodes."""
        answer = self.ask("POST", f"{_path(kind, name)}/drain", json={"seconds": seconds})
        return dict(answer.json())

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        """Send a request and return the answer; raises RefusedError or NoAnswerError."""
        address = f"{self.url}/api/{path}"
        try:
            answer = self._session.request(method, address, timeout=TIMEOUT_SECONDS, **more)
        except requests.RequestException:
            raise NoAnswerError(
                f"no service answers at {self.url}; start one with `compute serve`, or name "
                "another with --server or COMPUTE_URL"
            ) from None
        if answer.ok:
            return answer
        raise RefusedError(answer.status_code, _problem(answer))


def with_client(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the option --server, and the client for it as its first argument."""

    @click.option("--server", metavar="URL", help="Address of the service; default: COMPUTE_URL.")
    @functools.wraps(command)
    def wrapped(server: str | None, **more: Any) -> None:
        config = read_config()
        url = server or config.url or _embedded(config)
        command(Client(url, _token(config, url)), **more)

    return wrapped


def _embedded(config: Config) -> str:
    try:
        return config.address_file.read_text().strip()
    except OSError:
        return DEFAULT_URL


def _token(config: Config, url: str) -> str:
    """Return the token to show; that of this machine's service is shown to no other machine."""
    given = config.operator_token.get_secret_value()
    if given or urlsplit(url).hostname not in OF_THIS_MACHINE:
        return given
    try:
        return config.operator_token_file.read_text()
    except OSError:
        return ""


def _problem(answer: requests.Response) -> Mapping[str, Any]:
    try:
        problem = dict(answer.json())
    except ValueError:
        return {}
    if answer.status_code == requests.codes.unauthorized:
        problem["detail"] = (
            f"{problem.get('detail')}; give it as COMPUTE_OPERATOR_TOKEN, or, for a service of "
            "this machine, its data folder as COMPUTE_DATA_DIR"
        )
    return problem


def _path(kind: Kind, name: str) -> str:
    return f"{kind.path}/{quote(name, safe='')}"
