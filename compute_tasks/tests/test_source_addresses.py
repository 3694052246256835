"""Which hosts may be connected to, and that nothing gets round the check."""

import socket
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute_tasks.errors import SourceError, SourceRefused
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, addresses, open_source
from compute_tasks.tests import data, servers

PRIVATE = (
    "127.0.0.1",
    "127.255.0.9",
    "10.0.0.1",
    "172.16.5.4",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00::1",
    "ff02::1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
)


@pytest.mark.parametrize("address", PRIVATE)
def test_private_addresses_are_not_public(address):
    assert not addresses.is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "193.62.127.1", "2606:4700::1", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address):
    assert addresses.is_public(address)


@given(st.ip_addresses(v=4))
def test_an_address_written_as_mapped_ipv6_is_judged_the_same(address):
    assert addresses.is_public(str(address)) == addresses.is_public(f"::ffff:{address}")


@pytest.mark.parametrize(
    ("host", "allowed", "expected"),
    [
        ("data.local", {"data.local"}, True),
        ("DATA.local.", {"data.local"}, True),
        ("data.local", {"data.local:8080"}, True),
        ("data.local", {"data.local:80"}, False),
        ("x.data.local", {"data.local"}, False),
        ("::1", {"[::1]:8080"}, True),
        ("[::1]", {"::1"}, True),
        ("anything", {"*"}, True),
        ("anything", set(), False),
    ],
)
def test_hosts_are_allowed_by_name_or_by_name_and_port(host, allowed, expected):
    assert addresses.is_allowed(host, 8080, frozenset(allowed)) is expected


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"]
)
def test_no_spelling_of_a_private_host_is_connected_to(host, tmp_path):
    data.write(data.tas(), tmp_path / "tas.nc")
    with servers.web(servers.files(tmp_path)) as web:
        uri = f"http://{host}:{web.url.rpartition(':')[2]}/tas.nc"
        with pytest.raises(SourceRefused, match="COMPUTE_ALLOWED_DATA_HOSTS") as refusal:
            open_source(Variable("v", "tas", uri), SourcePolicy())
    assert web.requests == []
    assert refusal.value.locator == "variable"
    assert host.strip("[]") in refusal.value.message


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_a_host_that_is_not_allowed_is_refused(status, tmp_path):
    data.write(data.tas(), tmp_path / "tas.nc")
    with ExitStack() as stack:
        inner = stack.enter_context(servers.web(servers.files(tmp_path)))
        location = {"Location": f"{inner.url}/tas.nc"}
        outer = stack.enter_context(
            servers.web(lambda _: servers.Answer(status=status, headers=location))
        )
        only_outer = frozenset({outer.url.removeprefix("http://")})
        with pytest.raises(SourceRefused, match=r"127\.0\.0\.1"):
            open_source(
                Variable("v", "tas", f"{outer.url}/a.nc"), SourcePolicy(allowed_hosts=only_outer)
            )
    assert inner.requests == []


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://127.0.0.1/x", "http://u:p@h/"])
def test_a_redirect_to_another_kind_of_address_is_refused(location):
    answer = servers.Answer(status=302, headers={"Location": location})
    with servers.web(lambda _: answer) as web:
        policy = SourcePolicy(allowed_hosts=frozenset({"*"}), attempts=1)
        with pytest.raises((SourceError, Exception), match=r"http or https|user name"):
            open_source(Variable("v", "tas", f"{web.url}/a.nc"), policy)


def test_redirects_are_followed_only_so_often():
    answer = servers.Answer(status=302, headers={"Location": "/again.nc"})
    with servers.web(lambda _: answer) as web:
        policy = SourcePolicy(allowed_hosts=frozenset({"127.0.0.1"}), attempts=1)
        with pytest.raises(SourceError, match="more than 5 redirects"):
            open_source(Variable("v", "tas", f"{web.url}/a.nc"), policy)


def test_a_redirect_within_the_allowed_hosts_is_followed(tmp_path):
    data.write(data.tas(), tmp_path / "tas.nc")
    files = servers.files(tmp_path)
    moved = servers.Answer(status=301, headers={"Location": "/tas.nc"})
    with servers.web(lambda r: moved if r.path == "/old.nc" else files(r)) as web:
        policy = SourcePolicy(allowed_hosts=frozenset({"127.0.0.1"}))
        opened = open_source(Variable("v", "tas", f"{web.url}/old.nc"), policy)
        assert opened.tas.mean().compute() > 200


def test_a_name_that_answers_differently_the_second_time_does_not_get_through(monkeypatch):
    answers = iter(["8.8.8.8", "127.0.0.1"])
    looked_up, connected = [], []

    def resolve(host, port, **_):
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    def connect(_, address):
        connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", connect)
    with pytest.raises(SourceError):
        open_source(Variable("v", "tas", "http://rebind.example/dodsC/a"), SourcePolicy(attempts=1))
    assert connected == [("8.8.8.8", 80)]
    assert looked_up == ["rebind.example"] * 2


def test_proxies_of_the_environment_are_not_used(monkeypatch, tmp_path):
    data.write(data.tas(), tmp_path / "tas.nc")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    with servers.web(servers.files(tmp_path)) as web:
        policy = SourcePolicy(allowed_hosts=frozenset({"127.0.0.1"}), attempts=1)
        assert "tas" in open_source(Variable("v", "tas", f"{web.url}/tas.nc"), policy)
