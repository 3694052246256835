"""Local input files: only under the allowed roots, and archive addresses that are local folders.

Links are followed before the check. The refusal is the same whether or not something exists at the
refused place, and no text holds another path than the one that was given.
"""

import json
from functools import lru_cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from compute_tasks.errors import InvalidInput, SourceError, SourceRefused
from compute_tasks.sources import urls
from compute_tasks.sources.policy import SourcePolicy


def located(uri: str, policy: SourcePolicy) -> Path | None:
    """Return the local place an address stands for, None for a remote one.

    Raises SourceRefused for a place outside the roots, InvalidInput for an unusable address.
    """
    if uri.lower().startswith(("http://", "https://")):
        urls.check_address(uri)
        return mapped(uri, policy)
    return _allowed(uri, policy)


def mapped(uri: str, policy: SourcePolicy) -> Path | None:
    """Return the existing local file that an archive address stands for, if there is one.

    The longest part of the mapping that occurs in the address is replaced by its folder. A result
    outside that folder is not used.
    """
    mapping = _mapping(policy)
    for part in sorted(mapping, key=len, reverse=True):
        if part in uri:
            rest = urlsplit(uri.partition(part)[2])
            inside = unquote(rest.path).lstrip("/")
            path = _resolved(mapping[part] / inside)
            if path and _within(path, mapping[part]) and _exists(path):
                return path
    return None


def _allowed(uri: str, policy: SourcePolicy) -> Path:
    roots = [*policy.roots, *_mapping(policy).values()]
    given = _path(uri)
    # A relative path is meant below a root; joining an absolute one leaves it as it is.
    places = [path for root in roots if (path := _resolved(root / given))]
    inside = [path for path in places if any(_within(path, root) for root in roots)]
    if not inside:
        raise SourceRefused(
            f"{uri} is not in a folder that this server reads; its operator can name folders in "
            "COMPUTE_DATA_ROOTS",
            locator="variable",
        )
    return next((path for path in inside if _exists(path)), inside[0])


def _path(uri: str) -> Path:
    if not uri.lower().startswith("file:"):
        return Path(uri)
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise InvalidInput(f"{uri!r} is not a file address", locator="variable") from error
    if parts.netloc not in ("", "localhost"):
        message = f"{uri}: a file address cannot name a host; use file:///path"
        raise InvalidInput(message, locator="variable")
    return Path(unquote(parts.path))


def _resolved(path: Path) -> Path | None:
    """Return the path with links followed; None where that is impossible (loops, odd names)."""
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        return None


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False


def _within(path: Path, root: Path) -> bool:
    resolved = _resolved(root)
    return resolved is not None and path.is_relative_to(resolved)


def _mapping(policy: SourcePolicy) -> dict[str, Path]:
    if policy.mapping is None:
        return {}
    try:
        return _read_mapping(policy.mapping, policy.mapping.stat().st_mtime_ns)
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        message = "the list of archive addresses of this server (COMPUTE_URL_MAPPING) is unusable"
        raise SourceError(message) from error


@lru_cache(maxsize=4)
def _read_mapping(file: Path, modified: int) -> dict[str, Path]:
    """Return the address parts and folders; `modified` only tells versions of the file apart."""
    document = json.loads(file.read_text())
    return {part: Path(folder) for part, folder in document["mapping"].items() if part}
