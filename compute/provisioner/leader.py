"""Who acts: one process at a time, by a lease in the database.

Losing the lease unawares does no harm: each change the loop makes is made in a transaction that
first finds the lease still its own, by a generation that grows with each change of hands.
"""

import contextlib
import os
import socket
from collections.abc import Iterator
from datetime import timedelta

import psutil
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from compute.provisioner.models import Leader

NAME = "provisioner"
LEASE = timedelta(seconds=10)
"""How long a leader may be silent. Another takes over then, or at once if it is seen to be dead."""


class Deposed(Exception):
    """Another process leads; nothing was changed."""


def this_process() -> str:
    """Return what tells this process from every other one, on this machine and elsewhere."""
    return f"{socket.gethostname()}/{os.getpid()}/{psutil.Process().create_time():.2f}"


class Leadership:
    """This process' part in who leads."""

    def __init__(self, holder: str | None = None) -> None:
        self.holder = holder or this_process()
        self.generation = 0

    def lead(self) -> bool:
        """Take the lease or renew it, and tell whether this process leads."""
        now = timezone.now()
        row = Leader.objects.filter(pk=NAME).first()
        if row is None:
            return self._first()
        mine = row.holder == self.holder and row.generation == self.generation
        if not mine and row.expires > now and not _dead(row.holder):
            self.generation = 0
            return False
        generation = row.generation + (not mine)
        same = Leader.objects.filter(pk=NAME, holder=row.holder, generation=row.generation)
        if not same.update(holder=self.holder, generation=generation, expires=now + LEASE):
            return False
        self.generation = generation
        return True

    @contextlib.contextmanager
    def fence(self) -> Iterator[None]:
        """Return a transaction in which nobody else can come to lead. Raises Deposed."""
        with transaction.atomic():
            # An update, because it holds the row until the transaction ends.
            if not self._own().update(holder=self.holder):
                raise Deposed(f"{self.holder} does not lead any more")
            yield

    def check(self) -> None:
        """Raise Deposed unless this process leads."""
        if not self._own().exists():
            raise Deposed(f"{self.holder} does not lead any more")

    def resign(self) -> None:
        """Let another process lead at once."""
        self._own().update(expires=timezone.now())

    def _own(self) -> QuerySet[Leader]:
        return Leader.objects.filter(pk=NAME, holder=self.holder, generation=self.generation)

    def _first(self) -> bool:
        expires = timezone.now() + LEASE
        try:
            with transaction.atomic():
                Leader.objects.create(pk=NAME, holder=self.holder, generation=1, expires=expires)
        except IntegrityError:
            return False
        self.generation = 1
        return True


def _dead(holder: str) -> bool:
    """Tell whether the holder was a process of this machine that has ended."""
    host, _, rest = holder.partition("/")
    pid, _, started = rest.partition("/")
    if host != socket.gethostname() or not pid.isdigit():
        return False
    try:
        return f"{psutil.Process(int(pid)).create_time():.2f}" != started
    except psutil.NoSuchProcess:
        return True
    except psutil.Error:
        return False
