"""What tests of reading share."""

import os
from typing import Any

import pytest


@pytest.fixture
def offsets_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that takes where in its file each read from now on begins."""
    offsets: list[int] = []
    preadv = os.preadv

    def counted(descriptor: int, buffers: Any, offset: int) -> int:
        offsets.append(offset)
        return preadv(descriptor, buffers, offset)

    monkeypatch.setattr("compute_tasks.engine.bytes.os.preadv", counted)
    return offsets
