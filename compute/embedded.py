"""The whole service on one machine: SQLite, a private Redis, web and provisioner as children.

The provisioner starts the workers. They outlive it when it dies, but not this process.
"""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import cast

from compute.broker import PrivateRedis, free_port
from compute.children import STOP_SECONDS, ChildError, Command, Family, Say
from compute.env import Config

READY_SECONDS = 120.0
POLL_SECONDS = 0.1


class ServeError(Exception):
    """The service cannot be started here."""


async def serve(config: Config, host: str, port: int, say: Say) -> None:
    """Run the service until a signal ends it; raises ServeError when it cannot start.

    `port` 0 picks a free one. The first SIGINT, SIGTERM or SIGHUP stops the children one by one,
    the second kills them.
    """
    _stop_on_signals()
    with _only_one(config.data_dir), _listening(host, port) as listener:
        family = Family(say)
        try:
            async with _broker(family, config) as redis_url:
                environment = _environment(config, redis_url, say)
                await family.once(_compute("migrate", environment, "migrate"))
                address = f"http://{_client_host(host)}:{listener.getsockname()[1]}"
                config.address_file.write_text(address)
                await _serve(family, environment, _counters(config), listener, address)
        except ChildError as error:
            raise ServeError(f"{error}; its last lines are above") from None
        except asyncio.CancelledError:
            say("serve", "stopped")


async def _serve(
    family: Family,
    environment: dict[str, str],
    counters: dict[str, str],
    listener: socket.socket,
    address: str,
) -> None:
    fd, end = listener.fileno(), family.lifeline
    web = _compute("web", environment, "web", "--fd", str(fd), fds=(fd,))
    attached = ("provisioner", "--attached", str(end))
    provisioner = _compute("provisioner", environment | counters, *attached, fds=(end,))
    async with family.child(provisioner) as keeper, family.child(web) as front:
        await _first(_ready(f"{address}/ready"), *family.tasks)
        family.settled = True
        print(f"ESGF Compute is ready at {address}/wps  (Ctrl-C stops it)", flush=True)
        try:
            ended, _ = await asyncio.wait(family.tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            # Not the broker: it is there for workers until they have handed their jobs back.
            keeper.end()
            front.end()


def _stop_on_signals() -> None:
    task = cast("asyncio.Task[None]", asyncio.current_task())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)


@contextlib.contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    for name in ("archive", "outputs", "workspace"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    with (folder / "serve.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ServeError(
                f"another `compute serve` already uses the data folder {folder}; "
                "stop it or choose another one with --data-dir"
            ) from None
        yield


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    # The socket outlives the web process, so that requests wait while that restarts.
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(1024)
    except OSError as error:
        raise ServeError(
            f"cannot listen on {host} port {port}: {error.strerror or error}; "
            "choose another one with --port, or --port 0 for any free one"
        ) from None
    with listener:
        yield listener


@contextlib.asynccontextmanager
async def _broker(family: Family, config: Config) -> AsyncIterator[str]:
    if config.redis_url:
        yield config.redis_url
        return
    redis = PrivateRedis()
    command = Command("redis", redis.arguments, stdin=redis.configuration, quiet=True)
    async with family.child(command):
        await _first(_accepting(redis.port), *family.tasks)
        yield redis.url


def _environment(config: Config, redis_url: str, say: Say) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "COMPUTE_DATA_DIR": str(config.data_dir),
        "COMPUTE_REDIS_URL": redis_url,
        "COMPUTE_PROVISIONER_METRICS_PORT": str(_metrics_port(config, say)),
        # A worker hands its job back before we lose patience.
        "COMPUTE_GRACE_SECONDS": str(min(config.grace_seconds, 0.8 * STOP_SECONDS)),
    }


def _counters(config: Config) -> dict[str, str]:
    # Workers and provisioner count into files of one folder, the processes of the web into others.
    folder = config.data_dir / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return {"PROMETHEUS_MULTIPROC_DIR": str(folder)}


def _metrics_port(config: Config, say: Say) -> int:
    given, host = config.provisioner_metrics_port, config.metrics_host
    wanted = config.metrics_port if given is None else given
    if not wanted:
        return free_port(host)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError:
            port = free_port(host)
            say("serve", f"metrics port {wanted} is taken; the provisioner uses {port}")
            return port
    return wanted


def _compute(
    name: str, environment: dict[str, str], *arguments: str, fds: tuple[int, ...] = ()
) -> Command:
    return Command(name, [sys.executable, "-m", "compute", *arguments], environment, fds=fds)


def _client_host(host: str) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)  # noqa: S104
    return f"[{shown}]" if ":" in shown and not shown.startswith("[") else shown


async def _first(wanted: Coroutine[None, None, None], *others: asyncio.Task[None]) -> None:
    """Wait for the wanted coroutine, or raise what ends one of the other tasks before."""
    task = asyncio.ensure_future(wanted)
    try:
        async with asyncio.timeout(READY_SECONDS):
            done, _ = await asyncio.wait({task, *others}, return_when=asyncio.FIRST_COMPLETED)
        for finished in done:
            finished.result()
    except TimeoutError:
        raise ServeError(f"the service was not ready within {READY_SECONDS:.0f} seconds") from None
    finally:
        task.cancel()


async def _accepting(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(POLL_SECONDS)
        else:
            writer.close()
            return


async def _ready(url: str) -> None:
    while not await asyncio.to_thread(_answers, url):
        await asyncio.sleep(POLL_SECONDS)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):  # noqa: S310
            return True
    except (urllib.error.URLError, OSError):
        return False
