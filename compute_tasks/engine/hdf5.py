"""The chunk index of an HDF5 (NetCDF-4) file, as the HDF5 library tells it."""

from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np

from compute_tasks.engine.filters import check_filters
from compute_tasks.engine.layout import (
    NEVER_WRITTEN,
    DamagedFileError,
    File,
    FileIndex,
    Filter,
    UnsupportedError,
    VariableIndex,
    check_dtype,
    contiguous,
    grid,
)

UNREADABLE = (RuntimeError, ValueError, TypeError, KeyError, OverflowError)
"""What h5py raises for objects it cannot make sense of, damaged ones among them."""
NON_COORDINATE = "_nc4_non_coord_"
"""NetCDF-4's prefix for a variable that has the name of a dimension but is not its coordinate."""


def index_hdf5(identity: File, opened: Path | BinaryIO) -> FileIndex:
    """Return where the chunks of every variable are; OSError if the file is not HDF5 or damaged.

    The library reads it from `opened`.
    """
    variables: dict[str, VariableIndex] = {}
    refused: dict[str, str] = {}
    with h5py.File(opened, "r") as file:
        if file.userblock_size:
            return FileIndex(identity, {}, {"": "a user block"})
        try:
            datasets = _datasets(file)
        except UNREADABLE:
            return FileIndex(identity, {}, {"": "objects that h5py cannot read"})
        for name, dataset in datasets.items():
            try:
                variables[name] = _variable(name, dataset, identity.size)
            except UnsupportedError as reason:
                refused[name] = str(reason)
            except UNREADABLE:
                refused[name] = "described in a way that h5py cannot read"
    return FileIndex(identity, variables, refused)


def _datasets(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Return the datasets under the names that NetCDF gives them."""
    found: dict[str, h5py.Dataset] = {}

    def visit(path: str, thing: Any) -> None:
        if isinstance(thing, h5py.Dataset):
            found[path] = thing

    file.visititems(visit)
    renamed = {path: path.replace(NON_COORDINATE, "") for path in found if NON_COORDINATE in path}
    return found | {name: found[path] for path, name in renamed.items()}


def _variable(name: str, dataset: h5py.Dataset, file_bytes: int) -> VariableIndex:
    creation = dataset.id.get_create_plist()
    if dataset.shape is None or creation.get_external_count():
        raise UnsupportedError("no values, or values in another file")
    dtype = _dtype(dataset)
    layout = creation.get_layout()
    if layout == h5py.h5d.CHUNKED:
        return _chunked(name, dataset, creation, dtype, file_bytes)
    if layout == h5py.h5d.CONTIGUOUS:
        offset = dataset.id.get_offset()
        begin = NEVER_WRITTEN if offset is None else offset
        index = contiguous(name, dataset.shape, dtype, begin, fill=dataset.fillvalue)
        if begin + dataset.nbytes > file_bytes:
            raise DamagedFileError(f"{name} reaches past the end of the file")
        return index
    if layout == h5py.h5d.COMPACT:
        return _compact(name, dataset, dtype)
    raise UnsupportedError("a virtual layout")


def _dtype(dataset: h5py.Dataset) -> np.dtype:
    """Return the stored dtype; UnsupportedError if numpy has none with exactly these bits."""
    stored = dataset.id.get_type()
    if stored.get_class() not in (h5py.h5t.INTEGER, h5py.h5t.FLOAT):
        raise UnsupportedError(f"data type {dataset.dtype}")
    dtype = check_dtype(dataset.dtype)
    if dtype.itemsize == 1:
        # The byte order of a single byte means nothing, but two of them compare unequal.
        stored = stored.copy()
        stored.set_order(h5py.h5t.ORDER_LE)
    if not stored.equal(h5py.h5t.py_create(dtype)):
        raise UnsupportedError(f"an unusual form of data type {dtype}")
    return dtype


def _compact(name: str, dataset: h5py.Dataset, dtype: np.dtype) -> VariableIndex:
    values = np.asarray(dataset[()], dtype)
    nothing = np.empty(0, "int64")
    return VariableIndex(
        name,
        dataset.shape,
        dtype,
        dataset.fillvalue,
        dataset.shape,
        (),
        nothing,
        nothing,
        nothing.astype("uint32"),
        values.tobytes(),
    )


def _chunked(
    name: str, dataset: h5py.Dataset, creation: Any, dtype: np.dtype, file_bytes: int
) -> VariableIndex:
    filters = _filters(creation)
    check_filters(filters, dtype.itemsize)
    counts = grid(dataset.shape, dataset.chunks)
    index = VariableIndex(
        name,
        dataset.shape,
        dtype,
        dataset.fillvalue,
        dataset.chunks,
        filters,
        np.full(counts, NEVER_WRITTEN, "int64"),
        np.zeros(counts, "int64"),
        np.zeros(counts, "uint32"),
    )
    _collect(index, dataset)
    _check_places(index, file_bytes)
    return index


def _filters(creation: Any) -> tuple[Filter, ...]:
    steps = (creation.get_filter(number) for number in range(creation.get_nfilters()))
    return tuple(Filter(number, tuple(values)) for number, _, values, _ in steps)


def _collect(index: VariableIndex, dataset: h5py.Dataset) -> None:
    """Fill in where each stored chunk is; DamagedFileError where the file contradicts itself."""
    sizes, counts = index.chunk, index.offsets.shape

    def take(chunk: Any) -> None:
        place = tuple(at // size for at, size in zip(chunk.chunk_offset, sizes, strict=True))
        inside = all(at < count for at, count in zip(place, counts, strict=True))
        if not inside or index.offsets[place] != NEVER_WRITTEN:
            raise DamagedFileError(f"{index.name} has a chunk where there can be none")
        index.offsets[place] = chunk.byte_offset
        index.sizes[place] = chunk.size
        index.masks[place] = chunk.filter_mask

    dataset.id.chunk_iter(take)


def _check_places(index: VariableIndex, file_bytes: int) -> None:
    """Refuse chunks outside the file, on top of each other or of an impossible size."""
    written = index.offsets != NEVER_WRITTEN
    begins, sizes, masks = index.offsets[written], index.sizes[written], index.masks[written]
    order = np.argsort(begins)
    ends = (begins + sizes)[order]
    if (ends > file_bytes).any() or (ends[:-1] > begins[order][1:]).any():
        raise DamagedFileError(f"{index.name} has chunks outside the file or on top of each other")
    raw = masks == (1 << len(index.filters)) - 1
    if (sizes[raw] != index.chunk_bytes).any():
        raise DamagedFileError(f"{index.name} has a chunk of the wrong size")
    # HDF5 can leave the chunks at the edge unfiltered without saying so in their masks.
    doubtful = _edge(index)[written] & ~raw & (sizes == index.chunk_bytes)
    if doubtful.any():
        raise UnsupportedError("chunks at the edge that may not be filtered")


def _edge(index: VariableIndex) -> np.ndarray:
    """Return which chunks reach past the end of the variable."""
    edge = np.zeros(index.offsets.shape, bool)
    for axis, (length, size) in enumerate(zip(index.shape, index.chunk, strict=True)):
        if length % size:
            edge[(slice(None),) * axis + (-1,)] = True
    return edge
