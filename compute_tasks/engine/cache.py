"""Chunk indexes kept on disk: one file each, used only while its digest and identity hold."""

import hashlib
import io
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np

from compute_tasks.engine import sealed
from compute_tasks.engine.layout import File, FileIndex, Filter, VariableIndex, grid

VERSION = 1
ARRAYS = {"offsets": "int64", "sizes": "int64", "masks": "uint32"}


def load(identity: File, folder: Path) -> FileIndex | None:
    """Return the index kept for this state of the file; None if there is none or it is damaged."""
    payload = sealed.read(_entry(identity, folder))
    if payload is None:
        return None
    with np.load(io.BytesIO(payload), allow_pickle=False) as archive:
        header = json.loads(archive["header"].tobytes())
        if header["version"] != VERSION or header["identity"] != list(identity.key):
            return None
        return _unpacked(identity, header, {name: archive[name] for name in ARRAYS})


def save(index: FileIndex, folder: Path) -> None:
    """Keep the index in the folder, replacing that of an earlier state of the file.

    A folder that cannot be written to is logged and no error: the index is built again next time.
    """
    sealed.write(_entry(index.identity, folder), _packed(index))


def _entry(identity: File, folder: Path) -> Path:
    name = hashlib.blake2b(os.fsencode(str(identity.key[0])), digest_size=16).hexdigest()
    return folder / f"{name}.index"


def _packed(index: FileIndex) -> bytes:
    variables = list(index.variables.values())
    header = {
        "version": VERSION,
        "identity": index.identity.key,
        "refused": dict(index.refused),
        "variables": [_header(variable) for variable in variables],
    }
    arrays = {
        name: np.concatenate(
            [np.empty(0, dtype), *(getattr(variable, name).ravel() for variable in variables)]
        ).astype(dtype)
        for name, dtype in ARRAYS.items()
    }
    buffer = io.BytesIO()
    arrays["header"] = np.frombuffer(json.dumps(header).encode(), "u1")
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def _header(variable: VariableIndex) -> dict[str, Any]:
    return {
        "name": variable.name,
        "shape": variable.shape,
        "dtype": variable.dtype.str,
        "fill": np.asarray(variable.fill, variable.dtype).tobytes().hex(),
        "chunk": variable.chunk,
        "filters": [[step.number, step.values] for step in variable.filters],
        "inline": None if variable.inline is None else variable.inline.hex(),
    }


def _unpacked(identity: File, header: dict[str, Any], arrays: dict[str, np.ndarray]) -> FileIndex:
    variables, begin = {}, 0
    for entry in header["variables"]:
        inline = entry["inline"] is not None
        counts = (0,) if inline else grid(entry["shape"], entry["chunk"])
        end = begin + math.prod(counts)
        places = {name: array[begin:end].reshape(counts) for name, array in arrays.items()}
        variables[entry["name"]] = _variable(entry, places)
        begin = end
    return FileIndex(identity, variables, header["refused"])


def _variable(entry: dict[str, Any], places: dict[str, np.ndarray]) -> VariableIndex:
    dtype = np.dtype(entry["dtype"])
    return VariableIndex(
        entry["name"],
        tuple(entry["shape"]),
        dtype,
        np.frombuffer(bytes.fromhex(entry["fill"]), dtype)[0],
        tuple(entry["chunk"]),
        tuple(Filter(number, tuple(values)) for number, values in entry["filters"]),
        inline=None if entry["inline"] is None else bytes.fromhex(entry["inline"]),
        **places,
    )
