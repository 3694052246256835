import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import psutil
import pytest

from compute.broker import PROGRAMS
from compute.demo.server import service
from compute.tests.processes import alive
from compute.tests.waiting import eventually

pytestmark = pytest.mark.integration
QUIET_PORT = {"COMPUTE_METRICS_PORT": "0"}


def family(running):
    """Return `compute serve` itself and all processes below it."""
    serve = psutil.Process(running.process.pid).children()[0]
    return serve, serve.children(recursive=True)


def one(processes, word):
    """Return the outermost process that runs the program, below its guard."""
    found = [process for process in processes if word in " ".join(process.cmdline())]
    return next(process for process in found if "guard.py" not in " ".join(process.cmdline()))


def ready(running):
    try:
        with urllib.request.urlopen(f"{running.url}/ready", timeout=10) as answer:
            return answer.status == 200
    except (urllib.error.URLError, OSError):
        return False


@pytest.fixture
def own(tmp_path):
    with service(tmp_path, QUIET_PORT) as running:
        yield running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_and_ends_with_exit_code_0(tmp_path, number):
    with service(tmp_path, QUIET_PORT) as running:
        assert ready(running)
        serve, below = family(running)
        serve.send_signal(number)
        assert running.process.wait(40) == 0
        eventually(lambda: not alive([serve, *below]), 5)
    lines = running.log.read_text().splitlines()
    assert re.sub(r"\x1b\[[0-9]*m", "", lines[-1]) == "serve  | stopped"
    assert "Traceback" not in running.log.read_text()


def test_it_says_that_it_is_ready_in_one_line_and_ends_on_an_interrupt(tmp_path):
    arguments = ("serve", "--port", "0", "--data-dir", str(tmp_path))
    with subprocess.Popen(
        [sys.executable, "-m", "compute", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | QUIET_PORT,
    ) as process:
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
    assert re.fullmatch(
        r"ESGF Compute is ready at http://127\.0\.0\.1:\d+/wps  \(Ctrl-C stops it\)\n", line
    )
    assert rest == ""
    assert process.returncode == 0


def test_a_killed_child_is_started_again_and_the_service_is_ready_again(own):
    for number, names in enumerate([("gunicorn",), ("provisioner",), PROGRAMS], start=1):
        _kill(own, names)
        again = "ended with exit code 137; starting it again in 1 s"
        eventually(lambda: own.log.read_text().count(again) == number)  # noqa: B023
        eventually(lambda: any(_runs(family(own)[1], name) for name in names))  # noqa: B023
        eventually(lambda: ready(own), 60)


def test_a_killed_worker_is_replaced_at_once(own):
    killed = time.monotonic()
    victim = _kill(own, ("celery",))
    eventually(lambda: "it ended with exit code 137" in own.log.read_text(), 2)
    eventually(lambda: len(list((own.data_dir / "nodes").iterdir())) == 2, 2)
    assert time.monotonic() - killed < 2
    eventually(lambda: _runs(family(own)[1], "celery"))
    assert not victim.is_running()
    eventually(lambda: ready(own), 60)


def test_workers_outlive_the_provisioner_and_are_taken_over_by_the_next(own):
    _, below = family(own)
    worker = one(below, "celery")
    _kill(own, ("provisioner",))
    leads = "provisioner leads"
    eventually(lambda: own.log.read_text().count(leads) == 2, 15)
    eventually(lambda: ready(own), 60)
    assert worker.is_running()
    assert len(list((own.data_dir / "nodes").iterdir())) == 1
    serve, below = family(own)
    serve.kill()
    eventually(lambda: not alive([serve, worker, *below]))


def _kill(running, names):
    _, below = family(running)
    victim = next(one(below, name) for name in names if _runs(below, name))
    victim.kill()
    return victim


def _runs(processes, word):
    return any(word in " ".join(_command(process)) for process in processes)


def _command(process):
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def test_nothing_is_left_when_it_is_killed(own):
    serve, below = family(own)
    assert len(below) >= 6
    serve.kill()
    eventually(lambda: not alive([serve, *below]))


def test_nothing_is_left_when_its_starter_is_killed(own):
    serve, below = family(own)
    own.process.kill()
    os.kill(serve.pid, signal.SIGKILL)
    eventually(lambda: not alive([serve, *below]))


def test_a_data_folder_in_use_is_refused(served):
    arguments = ("serve", "--port", "0", "--data-dir", str(served.data_dir))
    answer = subprocess.run(
        [sys.executable, "-m", "compute", *arguments], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 1
    assert f"already uses the data folder {served.data_dir};" in answer.stderr
    assert ready(served)


def test_a_second_service_runs_beside_the_first_although_the_metrics_port_is_taken(
    served, tmp_path
):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with service(tmp_path, {"COMPUTE_METRICS_PORT": str(port)}) as second:
            assert second.url != served.url
            assert ready(second)
            assert ready(served)
            warning = re.search(
                rf"metrics port {port} is taken; the provisioner uses (\d+)", second.log.read_text()
            )
            with urllib.request.urlopen(f"http://127.0.0.1:{warning[1]}/metrics") as answer:
                assert b"task_workflow_success_total" in answer.read()


def test_the_data_folder_holds_archive_outputs_and_database(served):
    names = {path.name for path in served.data_dir.iterdir()}
    assert {"archive", "outputs", "workspace", "compute.sqlite3", "secret_key"} <= names


def test_secrets_show_in_no_command_line_and_no_log(served):
    serve, below = family(served)
    worker = one(below, "celery")
    password = re.search(r"redis://:([^@]+)@", worker.environ()["COMPUTE_REDIS_URL"])[1]
    assert not any(password in " ".join(process.cmdline()) for process in (serve, *below))
    assert password not in served.log.read_text()
