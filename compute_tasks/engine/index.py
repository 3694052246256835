"""The chunk index of a file: built once, kept in memory and on disk while the file is the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from compute_tasks.engine import cache
from compute_tasks.engine.classic import MAGIC
from compute_tasks.engine.hdf5 import index_hdf5
from compute_tasks.engine.layout import DamagedFileError, DistantFile, File, FileIndex, Identity
from compute_tasks.engine.netcdf3 import index_netcdf3

REMEMBERED = 256
"""Indexes kept in memory."""


def index_file(path: Path, folder: Path | None = None) -> FileIndex:
    """Return where the chunks of a local NetCDF file are.

    `folder` is where indexes are kept between processes. Raises OSError if the file cannot be read,
    DamagedFileError (one of them) if it contradicts itself or changes meanwhile.
    """
    return _index(Identity.of(path), folder)


def index_distant(file: DistantFile, opened: BinaryIO, folder: Path | None = None) -> FileIndex:
    """Return where the chunks of a NetCDF-4 file on another machine are, as `index_file` does.

    The library reads its structure from `opened`, unless the folder holds the index already.
    """
    if folder and (kept := cache.load(file, folder)):
        return kept
    with _naming(file):
        index = index_hdf5(file, opened)
    if folder:
        cache.save(index, folder)
    return index


@lru_cache(REMEMBERED)
def _index(identity: Identity, folder: Path | None) -> FileIndex:
    kept = cache.load(identity, folder) if folder else None
    if kept:
        return kept
    index = _built(identity)
    if Identity.of(identity.path) != identity:
        raise DamagedFileError(f"{identity.name} was changed while it was read")
    if folder:
        cache.save(index, folder)
    return index


def _built(identity: Identity) -> FileIndex:
    with identity.path.open("rb") as file:
        classic = file.read(len(MAGIC)) == MAGIC
    with _naming(identity):
        return index_netcdf3(identity) if classic else index_hdf5(identity, identity.path)


@contextmanager
def _naming(file: File) -> Iterator[None]:
    try:
        yield
    except DamagedFileError as error:
        raise DamagedFileError(f"{file.name}: {error}") from error
