"""`dask.array` under another name, loaded when something of it is used for the first time.

It takes longer to load than many a computation that streams.
"""

from typing import Any


def __getattr__(name: str) -> Any:
    import dask.array  # noqa: PLC0415

    return getattr(dask.array, name)
