import os
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

from compute.cli.main import COMMANDS, main


def compute(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "compute", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
    )


def test_help_lists_every_command_without_importing_anything_heavy():
    code = "import sys; from compute.cli.main import main; main(['--help'], standalone_mode=False);"
    heavy = "print({'xarray', 'django', 'numpy', 'pydantic', 'celery'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code + heavy], capture_output=True, text=True)
    assert answer.stdout.endswith("set()\n")
    assert all(f"\n  {name} " in answer.stdout for name in COMMANDS)


def test_help_is_quick():
    best = min(_seconds("--help") for _ in range(3))
    assert best < 0.3


def _seconds(*arguments):
    started = time.perf_counter()
    compute(*arguments)
    return time.perf_counter() - started


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name):
    answer = CliRunner().invoke(main, [name, "--help"])
    assert answer.exit_code == 0
    assert f"Usage: main {name}" in answer.output


def test_an_unknown_command_is_refused_with_the_known_ones():
    answer = CliRunner().invoke(main, ["server"])
    assert answer.exit_code == 2
    assert "no command 'server'; there are serve, run, demo" in answer.output


@pytest.mark.parametrize("name", ["serve", "web", "worker", "migrate"])
def test_an_unusable_setting_ends_a_command_with_its_text_only(name):
    answer = compute(name, COMPUTE_WEB_THREADS="many")
    assert answer.returncode == 2
    assert answer.stderr.startswith("Error: COMPUTE_WEB_THREADS: ")
    assert answer.stderr.count("\n") == 1
    assert answer.stdout == ""


def test_a_worker_without_a_broker_is_refused():
    answer = compute("worker")
    assert answer.returncode == 2
    assert "set COMPUTE_REDIS_URL" in answer.stderr


def test_a_taken_port_ends_serve_with_a_clear_text(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        answer = compute("serve", "--port", str(port), "--data-dir", str(tmp_path))
    assert answer.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_an_address_of_another_machine_ends_serve_with_a_clear_text(tmp_path):
    answer = compute("serve", "--host", "192.0.2.1", "--data-dir", str(tmp_path))
    assert answer.returncode == 1
    assert "cannot listen on 192.0.2.1 port 8000" in answer.stderr


def test_a_database_that_cannot_be_reached_ends_serve_with_a_clear_text(tmp_path):
    answer = compute(
        *("serve", "--port", "0", "--data-dir", str(tmp_path)),
        COMPUTE_DATABASE_URL="postgres://nobody@127.0.0.1:1/none",
    )
    assert answer.returncode == 1
    assert "migrate failed with exit code 1" in answer.stderr


def test_migrate_makes_the_tables(tmp_path):
    answer = compute("migrate", COMPUTE_DATA_DIR=str(tmp_path))
    assert answer.returncode == 0, answer.stderr
    assert (tmp_path / "compute.sqlite3").stat().st_size > 0


def test_demo_wants_a_file_and_a_variable_together():
    answer = CliRunner().invoke(main, ["demo", "--data", "file.nc"])
    assert answer.exit_code == 2
    assert "--data and --variable belong together" in answer.output


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    answer = compute("serve", "--port", "0", "--data-dir", str(folder))
    assert answer.returncode == 2
    assert f"{folder} cannot be used: Not a directory" in answer.stderr
    assert "Traceback" not in answer.stderr
