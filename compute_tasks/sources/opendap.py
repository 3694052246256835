"""Remote datasets by OPeNDAP 2: small requests, each answer checked to the byte.

A server may answer 200 with too little or with the wrong part. So every answer must declare the
shape that was asked for, announce its lengths twice as prescribed and have exactly that many bytes;
what does not is asked for again, and refused in the end.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

import numpy as np
import xarray as xr
from xarray.backends import BackendArray
from xarray.core import indexing

from compute_tasks.errors import SourceError, TooLarge, Transient
from compute_tasks.sources import cf, dap2, network
from compute_tasks.sources.policy import SourcePolicy

TEXT_BYTES = 20_000_000
"""Bytes a DDS or DAS may have."""
PREFETCH_BYTES = 8_000_000
"""Variables of fewer bytes in all are read in one request when a dataset is opened."""
LEAST_BYTES = 1 << 22
"""A read of more than this is shared among several requests."""
GLOBAL = re.compile(r"^(nc_global|hdf5_global|global)$", re.IGNORECASE)
CHUNKS = "_ChunkSizes"
TRANSPORT = "DODS"
"""How attributes begin that speak of the transport, such as `DODS.strlen`, and not of the data."""

T = TypeVar("T")


class Remote:
    """A dataset at an OPeNDAP address: its declarations, attributes and checked reads.

    Opening reads the declarations, tried `attempts` times, and the attributes. Raises SourceError
    if the address does not speak OPeNDAP 2, Transient after failed retries.
    """

    def __init__(self, uri: str, policy: SourcePolicy, attempts: int) -> None:
        if "?" in uri:
            message = f"{uri}: an OPeNDAP address cannot hold a constraint; use a domain"
            raise SourceError(message, locator="variable")
        self.uri, self.policy = uri, policy
        declared = self._parsed(".dds", dap2.parse_dds, attempts)
        self.leaves = {leaf.name: leaf for leaf in reversed(declared)} | {
            leaf.name: leaf for leaf in reversed(declared) if _is_main(leaf)
        }
        self.attributes = self._parsed(".das", dap2.parse_das, policy.attempts)

    def read(self, name: str, key: tuple[slice | int, ...]) -> np.ndarray:
        """Return the values at slices with positive steps and non-negative integers."""
        leaf = self.leaves[name]
        wanted = [_span(part, size) for part, size in zip(key, leaf.shape, strict=True)]
        shape = tuple(len(span) for span in wanted)
        values = np.empty(shape, leaf.dtype)

        def fill(piece: tuple[slice, ...]) -> None:
            spans = [span[part] for span, part in zip(wanted, piece, strict=True)]
            values[piece] = self._request({name: spans})[name]

        share = values.size * leaf.wire_itemsize // self.policy.connections
        limit = min(self.policy.request_bytes, max(share, LEAST_BYTES))
        with ThreadPoolExecutor(self.policy.connections, "opendap") as pool:
            for _ in pool.map(fill, pieces(shape, leaf.wire_itemsize, limit)):
                pass
        dropped = tuple(0 if isinstance(part, int) else slice(None) for part in key)
        return np.asarray(values[dropped])

    def read_whole(self, names: list[str]) -> dict[str, np.ndarray]:
        """Return all values of several small variables with one request."""
        whole = {name: [range(size) for size in self.leaves[name].shape] for name in names}
        return self._request(whole) if names else {}

    def size(self, name: str) -> int:
        """Return the bytes of a variable in an answer."""
        leaf = self.leaves[name]
        return math.prod(leaf.shape) * leaf.wire_itemsize

    def _parsed(self, ending: str, parse: Callable[[str], T], attempts: int) -> T:
        def read() -> T:
            body = network.fetch(self.uri + ending, self.policy, TEXT_BYTES, self.uri)
            self._raise_error(body)
            return parse(body.decode("utf-8", "replace"))

        try:
            return network.retried(replace(self.policy, attempts=attempts), read)
        except dap2.AnswerError as error:
            message = f"{self.uri} does not answer as an OPeNDAP 2 server: {error}"
            raise SourceError(message, locator="variable") from error

    def _request(self, parts: Mapping[str, list[range]]) -> dict[str, np.ndarray]:
        return network.retried(self.policy, lambda: self._attempt(parts))

    def _attempt(self, parts: Mapping[str, list[range]]) -> dict[str, np.ndarray]:
        projection = ",".join(
            quote(self.leaves[name].path, safe=".%") + "".join(map(_hyperslab, spans))
            for name, spans in parts.items()
        )
        expected = sum(
            math.prod(map(len, spans)) * self.leaves[name].wire_itemsize
            for name, spans in parts.items()
        )
        try:
            # A text's length is unknown before, and each array has a declaration before its data.
            limit = 2 * expected + TEXT_BYTES
            address = f"{self.uri}.dods?{projection}"
            body = network.fetch(address, self.policy, limit, self.uri)
            self._raise_error(body)
            return self._checked(dap2.decode(body), parts)
        except (dap2.AnswerError, TooLarge) as error:
            names = ", ".join(parts)
            message = f"{self.uri}: the server's answer for {names} is inconsistent: {error}"
            raise Transient(message, locator="variable") from error

    def _checked(
        self, found: Mapping[str, np.ndarray], parts: Mapping[str, list[range]]
    ) -> dict[str, np.ndarray]:
        values = {}
        for name, spans in parts.items():
            leaf, shape = self.leaves[name], tuple(map(len, spans))
            array = found.get(leaf.path, found.get(leaf.name))
            if array is None:
                raise dap2.AnswerError(f"it holds no {name}")
            # An index asked as one point may come back as a dimension of length one or not at all.
            if [n for n in array.shape if n != 1] != [n for n in shape if n != 1]:
                raise dap2.AnswerError(f"shape {array.shape} came where {shape} was asked")
            if array.dtype != leaf.dtype:
                raise dap2.AnswerError(f"{name} came as {array.dtype}, declared is {leaf.dtype}")
            values[name] = array.reshape(shape)
        return values

    def _raise_error(self, body: bytes) -> None:
        if body.lstrip()[:7] == b"Error {":
            text = re.search(r'message\s*=\s*"([^"]*)"', body.decode("utf-8", "replace"))
            said = " ".join(text[1].split())[:200] if text else "no reason given"
            raise SourceError(f"{self.uri}: the OPeNDAP server refused: {said}", locator="variable")


class DapArray(BackendArray):
    """A remote variable that reads the parts asked of it."""

    def __init__(self, remote: Remote, name: str, rounded_fill: float | None) -> None:
        leaf = remote.leaves[name]
        self.remote, self.name, self.rounded_fill = remote, name, rounded_fill
        self.shape, self.dtype = leaf.shape, leaf.dtype

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        """Return the part at the key."""
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, self._read
        )

    def _read(self, key: tuple[slice | int, ...]) -> np.ndarray:
        return self.restored(self.remote.read(self.name, key))

    def restored(self, values: np.ndarray) -> np.ndarray:
        """Return values with those that print as the fill value set to it.

        Servers that print six digits give a fill value that the data do not hold exactly.
        """
        fill = self.rounded_fill
        if fill is not None:
            near = np.abs(values - fill) <= 0.5 * 10.0 ** (1 - dap2.PRINTED_DIGITS) * abs(fill)
            values = np.where(near, np.asarray(fill, values.dtype), values)
        return values


def open_opendap(remote: Remote, variable: str) -> xr.Dataset:
    """Return a variable and what belongs to it, undecoded; errors as `cf.related`.

    What is small besides the variable is read at once, with one request.
    """
    variables = {name: _variable(remote, leaf) for name, leaf in remote.leaves.items()}
    names = cf.related(variables, variable, remote.uri)
    small = _small(remote, sorted(names - {variable}))
    for name, values in remote.read_whole(small).items():
        lazy = variables[name]
        variables[name] = lazy.copy(data=lazy.encoding["array"].restored(values))
    kept = {name: variables[name] for name in variables if name in names}
    for each in kept.values():
        each.encoding.pop("array")
    return xr.Dataset(kept, attrs=_global_attributes(remote))


def pieces(shape: tuple[int, ...], itemsize: int, limit: int) -> Iterator[tuple[slice, ...]]:
    """Yield slices that cover the shape once, each of at most `limit` bytes.

    The first axes are split first; a single value is never split, however small the limit.
    """
    if 0 in shape:
        return
    rest = itemsize
    rows = list(shape)
    for axis in reversed(range(len(shape))):
        rows[axis] = max(1, min(shape[axis], limit // rest))
        rest *= shape[axis]
    starts = (range(0, size, count) for size, count in zip(shape, rows, strict=True))
    for corner in itertools.product(*starts):
        yield tuple(
            slice(start, min(start + count, size))
            for start, count, size in zip(corner, rows, shape, strict=True)
        )


def _variable(remote: Remote, leaf: dap2.Leaf) -> xr.Variable:
    attributes = _attributes(remote, leaf)
    chunks = np.atleast_1d(attributes.pop(CHUNKS, ())).astype(int)
    fill = attributes.get("_FillValue", np.nan)
    lossy = leaf.dtype.kind == "f" and dap2.rounded(fill)
    array = DapArray(remote, leaf.name, float(fill) if lossy else None)
    encoding: dict[str, Any] = {"array": array}
    if chunks.size == len(leaf.shape) > 0:
        encoding["chunksizes"] = tuple(chunks.tolist())
    dims = tuple(dim or f"{leaf.name}_dim_{n}" for n, dim in enumerate(leaf.dimensions))
    return xr.Variable(dims, indexing.LazilyIndexedArray(array), attributes, encoding)


def _attributes(remote: Remote, leaf: dap2.Leaf) -> dict[str, Any]:
    found = remote.attributes.get(leaf.name, {})
    own = found.get(leaf.name) if isinstance(found, dict) else None
    merged = {**found, **own} if isinstance(own, dict) else dict(found)
    return {
        key: value
        for key, value in merged.items()
        if not isinstance(value, dict) and not key.startswith(TRANSPORT)
    }


def _global_attributes(remote: Remote) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in remote.attributes.items():
        if not isinstance(value, dict):
            found[key] = value
        elif GLOBAL.match(key):
            found |= value
    return {
        key: value
        for key, value in found.items()
        if not isinstance(value, dict) and not key.startswith("_")
    }


def _small(remote: Remote, names: list[str]) -> list[str]:
    """Return as many of the variables, smallest first, as one request may hold."""
    room = min(PREFETCH_BYTES, remote.policy.request_bytes)
    chosen = []
    for name in sorted(names, key=remote.size):
        room -= remote.size(name)
        if room >= 0 and 0 not in remote.leaves[name].shape:
            chosen.append(name)
    return chosen


def _is_main(leaf: dap2.Leaf) -> bool:
    """Tell a variable from a copy of its axis in a grid."""
    parts = leaf.path.split(".")
    return len(parts) == 1 or parts[-1] == parts[-2]


def _span(part: slice | int, size: int) -> range:
    return range(part, part + 1) if isinstance(part, int) else range(*part.indices(size))


def _hyperslab(span: range) -> str:
    stride = "" if span.step == 1 or len(span) == 1 else f"{span.step}:"
    return quote(f"[{span.start}:{stride}{span[-1]}]", safe=":")
