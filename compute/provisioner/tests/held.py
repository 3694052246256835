"""A remote file that keeps a job waiting for as long as a test wants."""

import contextlib
import threading

from compute_tasks.tests.data import tas_files
from compute_tasks.tests.servers import files, web


class Held:
    """A remote file that is not sent before `let_go`."""

    def __init__(self, folder):
        (path,) = tas_files(folder, [(2000, 2001)])
        self._gate, self.asked = threading.Event(), threading.Event()
        self._respond = files(folder)
        self._stack = contextlib.ExitStack()
        self.address = f"{self._stack.enter_context(web(self._answer)).url}/{path.name}"

    def _answer(self, request):
        self.asked.set()
        self._gate.wait(60)
        return self._respond(request)

    def let_go(self):
        self._gate.set()

    def end(self):
        self._gate.set()
        self._stack.close()
