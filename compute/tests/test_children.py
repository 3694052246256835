import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from compute import children
from compute.children import ChildError, Command, Family
from compute.guard import guarded
from compute.tests.waiting import eventually


def python(name, code, **options):
    return Command(name, [sys.executable, "-u", "-c", code], **options)


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    state = Path(f"/proc/{pid}/stat")
    return state.exists() and state.read_text().rsplit(")")[-1].split()[0] == "Z"


@pytest.fixture
def said():
    return []


@pytest.fixture
def family(said):
    return Family(lambda name, line: said.append((name, line)))


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.02)


def test_lines_of_a_child_are_said_under_its_name(family, said):
    asyncio.run(family.once(python("web", "import sys; print('a'); print('b', file=sys.stderr)")))
    assert sorted(said) == [("web", "a"), ("web", "b")]


def test_stdin_and_environment_reach_the_child(family, said):
    code = "import os; print(input(), os.environ['WORD'])"
    command = python("redis", code, stdin=b"hello\n", environment={"WORD": "world"})
    asyncio.run(family.once(command))
    assert said == [("redis", "hello world")]


def test_an_open_socket_reaches_the_child(family, said):
    reading, writing = os.pipe()
    code = f"import os; os.write({writing}, b'x')"
    asyncio.run(family.once(python("web", code, fds=(writing,))))
    os.close(writing)
    assert os.read(reading, 10) == b"x"
    os.close(reading)


def test_a_command_that_fails_is_named_with_its_exit_code(family):
    with pytest.raises(ChildError, match="migrate failed with exit code 3"):
        asyncio.run(family.once(python("migrate", "raise SystemExit(3)")))


def test_a_quiet_command_speaks_only_when_it_fails(family, said):
    asyncio.run(family.once(python("redis", "print('fine')", quiet=True)))
    assert said == []
    with suppress(ChildError):
        asyncio.run(family.once(python("redis", "print('bad'); exit(1)", quiet=True)))
    assert said == [("redis", "bad")]


def test_a_line_too_long_to_show_does_not_stop_the_log(family, said):
    asyncio.run(family.once(python("web", "print('x' * 3_000_000); print('after')")))
    assert said[-1] == ("web", "after")


def test_a_child_that_ends_is_started_again_after_growing_pauses(family, said, monkeypatch):
    monkeypatch.setattr(children, "FIRST_PAUSE_SECONDS", 0.01)
    family.settled = True

    async def watch():
        async with family.child(python("worker", "exit(7)")):
            await until(lambda: len(said) >= 4)

    asyncio.run(watch())
    texts = [line for name, line in said if name == "serve"]
    assert all(text.startswith("worker ended with exit code 7; starting it") for text in texts)


def test_pauses_double_and_end_at_the_longest(family, said, monkeypatch):
    pauses = []

    async def note(seconds):
        pauses.append(seconds)
        if len(pauses) == 7:
            raise asyncio.CancelledError

    async def end(command):
        return 1

    family.settled = True
    monkeypatch.setattr(family, "run", end)
    monkeypatch.setattr(children.asyncio, "sleep", note)

    async def watch():
        async with family.child(python("web", "")):
            await asyncio.wait(family.tasks)

    asyncio.run(watch())
    assert pauses == [1, 2, 4, 8, 16, 30, 30]


def test_a_child_that_ends_before_the_service_is_ready_is_an_error(family):
    async def watch():
        async with family.child(python("web", "exit(1)")):
            await asyncio.gather(*family.tasks)

    with pytest.raises(ChildError, match="web ended with exit code 1 before the service was ready"):
        asyncio.run(watch())


def test_leaving_ends_a_child_with_all_it_started(family, said):
    code = (
        "import subprocess, sys, os;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(os.getpid(), p.pid); p.wait()"
    )

    async def watch():
        async with family.child(python("worker", code)):
            await until(lambda: said)

    asyncio.run(watch())
    eventually(lambda: all(gone(int(pid)) for pid in said[0][1].split()))


def test_a_child_that_ends_is_noticed_although_what_it_started_lives_on(family, said):
    code = (
        "import subprocess, sys;"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
        "print(p.pid); exit(4)"
    )
    with pytest.raises(ChildError, match="exit code 4"):
        asyncio.run(family.once(python("web", code)))
    eventually(lambda: gone(int(said[0][1])))


def test_a_child_may_finish_its_work_when_told_to_stop(family, said):
    code = (
        "import signal, time;"
        "signal.signal(signal.SIGTERM, lambda *_: (print('tidied'), exit(0)));"
        "print('up');\n"
        "while True: time.sleep(0.05)"
    )

    async def watch():
        async with family.child(python("web", code)):
            await until(lambda: said)

    asyncio.run(watch())
    assert said == [("web", "up"), ("web", "tidied")]


def test_a_child_that_will_not_stop_is_killed(family, said, monkeypatch):
    monkeypatch.setattr(children, "STOP_SECONDS", 0.2)
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid()); time.sleep(600)"
    )

    async def watch():
        async with family.child(python("worker", code)):
            await until(lambda: said)

    asyncio.run(watch())
    eventually(lambda: gone(int(said[0][1])))


def test_a_second_request_to_stop_kills_at_once(family, said):
    code = (
        "import os, signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid()); time.sleep(600)"
    )

    async def watch():
        async with family.child(python("worker", code)):
            await until(lambda: said)
            asyncio.get_running_loop().call_later(0.2, task.cancel)

    async def twice():
        nonlocal task
        task = asyncio.current_task()
        await watch()

    task = None
    started = time.monotonic()
    with suppress(asyncio.CancelledError):
        asyncio.run(twice())
    assert time.monotonic() - started < children.STOP_SECONDS
    eventually(lambda: gone(int(said[0][1])))


def test_children_end_when_the_parent_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True)
    child, grandchild = (int(pid) for pid in parent.stdout.readline().split())
    assert not gone(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    eventually(lambda: gone(child) and gone(grandchild))
    parent.stdout.close()


_PARENT = """
import asyncio, sys
from compute.children import Command, Family
code = '''import subprocess, sys, os, signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
p = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print(os.getpid(), p.pid, flush=True)
p.wait()'''
family = Family(lambda name, line: print(line, flush=True))
asyncio.run(family.once(Command("web", [sys.executable, "-c", code])))
"""


@pytest.mark.parametrize(("code", "expected"), [("exit(0)", 0), ("exit(5)", 5), ("KILL", 137)])
def test_the_guard_passes_the_exit_code_on(code, expected):
    if code == "KILL":
        code = "import os; os.kill(os.getpid(), 9)"
    reading, writing = os.pipe()
    command = guarded(reading, [sys.executable, "-c", code])
    ended = subprocess.run(command, pass_fds=(reading,), process_group=0)
    os.close(reading)
    os.close(writing)
    assert ended.returncode == expected
