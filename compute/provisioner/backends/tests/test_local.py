"""Nodes as processes of this machine: real ones, with a script in place of the worker."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from compute.provisioner.backends import cgroups, local
from compute.provisioner.backends.base import NodeSpec, StartRefused
from compute.provisioner.backends.local import LocalBackend
from compute.provisioner.backends.tail import Tail
from compute.tests.waiting import eventually

LIVES = """
import os, signal, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(int(os.environ.get("CODE", "0"))))
print("up", *sys.argv[1:], os.environ["COMPUTE_NODE"], flush=True)
time.sleep(300)
"""
STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\n"
STUBBORN += "time.sleep(300)"


@pytest.fixture
def make(tmp_path):
    made = []

    def backend(code=LIVES, **options):
        program = (sys.executable, "-u", "-c", code)
        made.append(LocalBackend(tmp_path, os.environ, program=program, **options))
        return made[-1]

    yield backend
    for one in made:
        for seen in one.observe():
            one.stop(seen.name, 0)


def up(backend, name, **fields):
    pid = int(backend.start(NodeSpec(name, "p", **fields)))
    eventually(lambda: "up" in log(backend, name))
    return psutil.Process(pid)


def log(backend, name):
    return (backend.folder / name / "log").read_text()


def seen(backend, name):
    return next((one for one in backend.observe() if one.name == name), None)


def ended(backend, name):
    return eventually(lambda: (one := seen(backend, name)) and one.phase != "running" and one)


def test_a_node_runs_the_worker_with_its_name_and_its_log_is_kept(make):
    backend = make()
    launcher = up(backend, "a", queue="ingress,default", jobs=3)
    assert log(backend, "a") == "up worker --queues ingress,default --concurrency 3 a\n"
    found = seen(backend, "a")
    assert (found.pool, found.phase, found.reference) == ("p", "running", str(launcher.pid))
    assert not found.interrupted


def test_starting_a_node_twice_starts_one_process_also_from_another_provisioner(make):
    backend = make()
    launcher = up(backend, "a")
    assert make().start(NodeSpec("a", "p")) == str(launcher.pid)
    assert log(backend, "a").count("up") == 1


def test_a_node_that_has_ended_is_not_started_again_under_its_name(make):
    backend = make("print('up')")
    up(backend, "a")
    ended(backend, "a")
    backend.start(NodeSpec("a", "p"))
    assert log(backend, "a").count("up") == 1


def test_a_node_told_to_end_ends_with_all_it_started_and_is_forgotten(make):
    backend = make()
    below = up(backend, "a").children(recursive=True)
    assert len(below) == 2
    backend.stop("a", 30)
    assert ended(backend, "a").phase == "ended"
    psutil.wait_procs(below, 5)
    assert not any(process.is_running() for process in below)
    backend.stop("a", 30)
    assert backend.observe() == []
    assert "up" in log(backend, "a")


def test_a_node_that_does_not_end_in_time_is_killed(make):
    backend = make(STUBBORN)
    up(backend, "a")
    backend.stop("a", 0.3)
    backend.stop("a", 0.3)
    assert seen(backend, "a").phase == "running"
    eventually(lambda: backend.stop("a", 30) or not seen(backend, "a"), 5)


def test_a_second_request_to_stop_sends_no_second_signal(make):
    code = "import signal, time\nsignal.signal(15, lambda *_: print('told', flush=True))\n"
    backend = make(code + "print('up', flush=True)\nwhile True: time.sleep(1)")
    up(backend, "a")
    for _ in range(5):
        backend.stop("a", 30)
    eventually(lambda: "told" in log(backend, "a"))
    assert log(backend, "a").count("told") == 1


@pytest.mark.parametrize(("code", "phase"), [("0", "ended"), ("3", "failed")])
def test_the_exit_code_says_whether_a_node_failed(make, code, phase):
    backend = make()
    up(backend, "a", environment={"CODE": code}).send_signal(signal.SIGTERM)
    found = ended(backend, "a")
    assert found.phase == phase
    assert found.reason == ("it ended" if code == "0" else "it ended with exit code 3")


def test_a_killed_node_is_seen_at_once_and_cleared_away(make):
    backend = make()
    launcher = up(backend, "a")
    below = launcher.children(recursive=True)
    below[0].kill()
    assert ended(backend, "a").reason == "it ended with exit code 137"
    backend.stop("a", 0)
    assert not psutil.wait_procs(below, 5)[1]


def test_what_a_killed_launcher_leaves_is_cleared_away(make):
    backend = make()
    launcher = up(backend, "a")
    below = launcher.children(recursive=True)
    launcher.kill()
    assert ended(backend, "a").reason == "it was killed with its launcher"
    backend.stop("a", 0)
    assert not psutil.wait_procs(below, 5)[1]
    assert backend.observe() == []


def test_nodes_outlive_their_starter_and_its_successor_finds_them(make, tmp_path):
    starter = "\n".join(
        [
            "import os, pathlib",
            "from compute.provisioner.backends.base import NodeSpec",
            "from compute.provisioner.backends.local import LocalBackend",
            f"program = {(sys.executable, '-c', LIVES)!r}",
            f"backend = LocalBackend(pathlib.Path({str(tmp_path)!r}), os.environ, program=program)",
            "backend.start(NodeSpec('a', 'p'))",
            "os.kill(os.getpid(), 9)",
        ]
    )
    os.waitpid(os.spawnv(os.P_NOWAIT, sys.executable, [sys.executable, "-c", starter]), 0)
    backend = make()
    found = eventually(lambda: seen(backend, "a"))
    assert (found.phase, found.pool) == ("running", "p")
    backend.stop("a", 0)
    assert backend.observe() == []


def test_nodes_end_with_the_holder_of_their_lifeline(make):
    reading, writing = os.pipe()
    backend = make(lifeline=reading)
    below = up(backend, "a").children(recursive=True)
    os.close(writing)
    assert ended(backend, "a")
    assert not psutil.wait_procs(below, 5)[1]
    os.close(reading)


def test_a_notice_in_the_folder_of_a_node_says_that_it_is_taken_away(make):
    backend = make()
    up(backend, "a")
    (backend.folder / "a" / "NOTICE").touch()
    assert seen(backend, "a").interrupted


def test_a_process_with_our_label_and_no_folder_is_a_stray_and_others_are_left_alone(
    make, tmp_path
):
    backend = make()
    sleep = [sys.executable, "-c", "import time; time.sleep(300)"]
    labels = {"COMPUTE_NODE": "stray", "COMPUTE_DATA_DIR": str(tmp_path)}
    elsewhere = {"COMPUTE_NODE": "stray", "COMPUTE_DATA_DIR": "/elsewhere"}
    with (
        subprocess.Popen(sleep, env=os.environ | labels) as stray,
        subprocess.Popen(sleep, env=os.environ | elsewhere) as foreign,
        subprocess.Popen(sleep) as other,
    ):
        try:
            (found,) = backend.observe()
            assert (found.name, found.reference) == ("stray", str(stray.pid))
            backend.stop("stray", 0)
            assert stray.wait(5) == -signal.SIGKILL
            assert backend.observe() == []
            assert foreign.poll() is None
            assert other.poll() is None
        finally:
            for process in (stray, foreign, other):
                process.kill()


def test_cpu_and_memory_are_limited(make):
    code = (
        "import os; print(len(os.sched_getaffinity(0)), os.environ['COMPUTE_WORKER_THREADS'], "
        "os.environ['COMPUTE_PROCESS_MEMORY_BYTES'], 'up')"
    )
    backend = make(code)
    backend._groups = None
    up(backend, "a", cpu=0.5, memory=300_000_000, jobs=2)
    assert log(backend, "a") == "1 1 150000000 up\n"


def test_what_this_machine_has_not_is_refused(make):
    with pytest.raises(StartRefused, match="is to have 5000 cores; this machine has"):
        make().start(NodeSpec("a", "p", cpu=5000))
    with pytest.raises(StartRefused, match="bytes of memory; this machine has"):
        make().start(NodeSpec("a", "p", memory=1 << 60))


def test_where_cgroups_can_be_written_a_node_gets_its_own(tmp_path):
    group = tmp_path / "system" / "compute.service"
    group.mkdir(parents=True)
    (tmp_path / "system" / "cgroup.controllers").write_text("cpuset cpu io memory pids")
    folder = cgroups.own(tmp_path, "1:name=systemd:/\n0::/system/compute.service\n")
    assert (folder.parent / "cgroup.subtree_control").read_text() == "+cpu +memory"
    own = cgroups.limit(folder, "a", 1.5, 1000)
    assert (own / "cpu.max").read_text() == "150000 100000"
    assert (own / "memory.max").read_text() == "1000"


@pytest.mark.parametrize("entries", ["", "4:memory:/a\n", "0::/a/b\n"])
def test_where_there_are_none_limits_are_set_otherwise(tmp_path, entries):
    assert cgroups.own(tmp_path, entries) is None


def test_only_so_many_folders_of_ended_nodes_are_kept(make, monkeypatch):
    monkeypatch.setattr(local, "KEPT_FOLDERS", 2)
    backend = make("print('up')")
    for name in "abc":
        up(backend, name)
        ended(backend, name)
        backend.stop(name, 0)
        os.utime(backend.folder / name / "stopped", (time.time() - 1000 + ord(name),) * 2)
    assert {path.name for path in backend.folder.iterdir()} == {"b", "c"}


def test_new_lines_of_the_logs_are_shown_under_the_names_of_their_nodes(tmp_path):
    log = tmp_path / "old" / "log"
    log.parent.mkdir()
    log.write_text("before\n")
    said: list[str] = []
    tail = Tail(tmp_path, said.append)
    with (
        log.open("a") as old,
        Path(tmp_path / "new").mkdir() or (tmp_path / "new" / "log").open("a") as new,
    ):
        new.write("first\nhal")
        old.write("after\n")
        new.flush()
        old.flush()
        tail.show()
        assert said == ["new | first", "old | after"]
        new.write("f\n")
        new.flush()
        tail.show()
    assert said[2:] == ["new | half"]
