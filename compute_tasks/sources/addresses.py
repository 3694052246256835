"""Connections that only go where they may: the check and the connecting use one resolved address.

A name is resolved once per connection and the socket opened to the address that was checked, so
that a name server cannot answer differently in between. Redirects open connections of the same
kind and are therefore checked as well.
"""

import ipaddress
import socket
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from compute_tasks.errors import SourceError, SourceRefused, Transient

# Prefixes that carry an IPv4 address on to wherever a gateway takes it: NAT64, Teredo, 6to4.
CARRIERS = tuple(map(ipaddress.ip_network, ("64:ff9b::/96", "2001::/32", "2002::/16")))


def is_public(address: str) -> bool:
    """Return whether the numeric IP address is one of the open internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in CARRIERS):
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def is_allowed(host: str, port: int, allowed: frozenset[str]) -> bool:
    """Return whether the operator named the host, or the host with this port, or all hosts."""
    name = host.lower().strip("[]").rstrip(".")
    return not allowed.isdisjoint({"*", name, f"{name}:{port}", f"[{name}]:{port}"})


def addresses(host: str, port: int, allowed: frozenset[str]) -> list[tuple[int, str]]:
    """Return (family, numeric address) pairs that may be connected to, in the resolver's order.

    Raises SourceRefused if there are only private ones, SourceError if the name is unknown and
    Transient if it cannot be resolved just now.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        kind = Transient if getattr(error, "errno", 0) == socket.EAI_AGAIN else SourceError
        raise kind(f"host {host!r} cannot be resolved", locator="variable") from error
    pairs = [(int(family), str(sockaddr[0])) for family, *_, sockaddr in found]
    if is_allowed(host, port, allowed):
        return pairs
    if public := [pair for pair in pairs if is_public(pair[1])]:
        return public
    raise SourceRefused(
        f"host {host!r} (port {port}) has no public address and is not one of those this server "
        "may read; its operator can name it in COMPUTE_ALLOWED_DATA_HOSTS",
        locator="variable",
    )


class _Checked(HTTPConnection):
    allowed: frozenset[str] = frozenset()

    def _new_conn(self) -> socket.socket:
        failure: OSError | None = None
        for family, address in addresses(self.host, self.port, self.allowed):
            try:
                return self._connect(family, address)
            except TimeoutError:
                raise ConnectTimeoutError(self, f"no connection to {self.host} in time") from None
            except OSError as error:
                failure = error
        raise NewConnectionError(self, f"no connection to {self.host}: {failure}") from failure

    def _connect(self, family: int, address: str) -> socket.socket:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.settimeout(self.timeout if isinstance(self.timeout, int | float) else None)
            for option in self.socket_options or ():
                sock.setsockopt(*option)
            sock.connect((address, self.port))
        except BaseException:
            sock.close()
            raise
        return sock


@lru_cache(maxsize=8)
def pool_classes(allowed: frozenset[str]) -> dict[str, type[HTTPConnectionPool]]:
    """Return urllib3 connection pools by scheme whose connections obey `allowed`."""
    return dict(_pool_classes(allowed))


def _pool_classes(allowed: frozenset[str]) -> Iterator[tuple[str, type[HTTPConnectionPool]]]:
    scope: dict[str, Any] = {"allowed": allowed}
    plain = type("CheckedConnection", (_Checked,), scope)
    secure = type("CheckedSecureConnection", (_Checked, HTTPSConnection), scope)
    yield "http", type("CheckedPool", (HTTPConnectionPool,), {"ConnectionCls": plain})
    yield "https", type("CheckedSecurePool", (HTTPSConnectionPool,), {"ConnectionCls": secure})
