"""Who is calling, and whom what they ask for counts towards."""

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network

from django.conf import settings
from django.http import HttpRequest

ANONYMOUS = "anonymous"
IPV6_PREFIX = 64
"""Bits of an IPv6 address that say whose it is; the rest each machine picks for itself."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request.

    `owner` has the results; limits and turns count for `account`, which is the owner or, for the
    anonymous, `anonymous@<address>`.
    """

    owner: str
    account: str


NOBODY = Caller(ANONYMOUS, ANONYMOUS)
"""Whoever asks without a request, such as another program on this machine."""


def caller(request: HttpRequest) -> Caller:
    """Return who sent the request."""
    return Caller(ANONYMOUS, f"{ANONYMOUS}@{network(_address(request))}")


def network(address: str) -> str:
    """Return an IPv4 address as it is, the network of an IPv6 one, `unknown` for anything else."""
    try:
        found = ip_address(address.strip())
    except ValueError:
        return "unknown"
    if isinstance(found, IPv6Address) and not found.ipv4_mapped:
        return str(ip_network((found, IPV6_PREFIX), strict=False))
    return str(getattr(found, "ipv4_mapped", None) or found)


def _address(request: HttpRequest) -> str:
    """Return the client's address; of those a proxy forwards only the last is the proxy's word."""
    forwarded = request.headers.get("X-Forwarded-For", "")
    if settings.COMPUTE.trusted_proxy and forwarded:
        return forwarded.rpartition(",")[2]
    return str(request.META.get("REMOTE_ADDR", ""))
