"""What a thread needs to compute blocks, kept from one block to the next: files and buffers."""

from collections.abc import Iterator
from contextlib import contextmanager

from compute_tasks.engine.evaluator import Evaluator
from compute_tasks.engine.scratch import Scratch


class Worker:
    """An evaluator and memory for its results; used by one thread at a time."""

    def __init__(self) -> None:
        self.evaluator, self.scratch = Evaluator(), Scratch()


class Workers:
    """Lends workers to threads, each to one at a time; to be closed when no thread runs."""

    def __init__(self) -> None:
        self._idle: list[Worker] = []

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *error: object) -> None:
        for worker in self._idle:
            worker.evaluator.close()

    @contextmanager
    def one(self) -> Iterator[Worker]:
        """Lend a worker for the length of a `with`."""
        # Both calls are atomic: threads may share a list that is a stack.
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = Worker()
        worker.scratch.clear()
        try:
            yield worker
        finally:
            self._idle.append(worker)
