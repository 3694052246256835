"""A real web server over a folder of results, in a process of its own.

The netCDF library is not thread safe, so a client of it and a server of it cannot share a process.
"""

import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from compute_wps.data.tests.examples import write_examples

RESPONSE_BYTES = 200_000


@dataclass(frozen=True)
class DataServer:
    url: str
    folder: Path

    def file_server(self, name: str) -> str:
        return f"{self.url}/data/fileServer/someone/job1/{name}"

    def dods(self, name: str) -> str:
        return f"{self.url}/data/dodsC/someone/job1/{name}"


@pytest.fixture(scope="session")
def data_server(tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("data")
    folder = data_dir / "outputs" / "someone" / "job1"
    folder.mkdir(parents=True)
    write_examples(folder)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COMPUTE_")}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "gunicorn", "--bind", f"fd://{listener.fileno()}"),
                *("--no-control-socket", "--worker-class", "gthread", "--threads", "8"),
                "compute.wsgi:application",
            ],
            pass_fds=[listener.fileno()],
            env=environment
            | {
                "COMPUTE_DATA_DIR": str(data_dir),
                "COMPUTE_OPENDAP_RESPONSE_BYTES": str(RESPONSE_BYTES),
            },
        )
    # The socket listens already: a request made before the server is up waits in its queue.
    yield DataServer(f"http://127.0.0.1:{port}", folder)
    server.terminate()
    server.wait(timeout=30)
