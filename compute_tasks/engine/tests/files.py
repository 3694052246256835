"""Random NetCDF files and selections, for comparing readers."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np
from hypothesis import strategies as st

FORMATS = ["NETCDF4", "NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"]
CLASSIC_TYPES = ["i1", "i2", "i4", "f4", "f8"]
TYPES = [*CLASSIC_TYPES, "u1", "u2", "u4", "i8", "u8"]


@dataclass
class File:
    """What to write: one variable `v`, and `w` beside it along the same unlimited dimension."""

    format: str
    shape: tuple[int, ...]
    dtype: str
    unlimited: bool = False
    storage: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, Any] = field(default_factory=dict)
    written: tuple[slice, ...] = ()
    companion: bool = False

    def write(self, path: Path, values: np.ndarray) -> Path:
        """Write the values of the part that is to be written; the rest is left to the library."""
        names = [f"d{number}" for number in range(len(self.shape))]
        with netCDF4.Dataset(path, "w", format=self.format) as dataset:
            for number, (name, length) in enumerate(zip(names, self.shape, strict=True)):
                open_ended = self.unlimited and number == 0
                dataset.createDimension(name, None if open_ended else length)
            big = self.storage.get("endian") == "big"
            dtype = np.dtype(self.dtype).newbyteorder(">" if big else "=")
            variable = dataset.createVariable("v", dtype, names, **self.storage)
            variable.set_auto_maskandscale(False)
            variable.setncatts(self.attributes)
            if self.companion:
                dataset.createVariable("w", "i2", names[:1])[: self.shape[0]] = 7
            part = self.written or (...,)
            variable[part] = values[part]
        return path


def values_of(file: File, seed: int) -> np.ndarray:
    """Return values that use all bits of the type, some of them NaN and infinite."""
    count = int(np.prod(file.shape))
    dtype = np.dtype(file.dtype)
    raw = np.random.default_rng(seed).integers(0, 256, count * dtype.itemsize, "u1")
    return raw.view(dtype).reshape(file.shape)


@st.composite
def files(draw: Any) -> File:
    """Draw a file of any format, layout and filters."""
    format = draw(st.sampled_from(FORMATS))
    shape = draw(st.lists(st.integers(1, 9), max_size=4).map(tuple))
    limited = format in ("NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET")
    file = File(format, shape, draw(st.sampled_from(CLASSIC_TYPES if limited else TYPES)))
    file.unlimited = bool(shape) and draw(st.booleans())
    file.companion = file.unlimited and draw(st.booleans())
    if format == "NETCDF4":
        file.storage = draw(storages(shape, file.unlimited))
    file.attributes = draw(attributes(file.dtype))
    if "_FillValue" in file.attributes:
        file.storage["fill_value"] = file.attributes.pop("_FillValue")
    if shape and draw(st.booleans()):
        file.written = tuple(slice(0, draw(st.integers(1, length))) for length in shape)
    return file


@st.composite
def storages(draw: Any, shape: tuple[int, ...], unlimited: bool) -> dict[str, Any]:
    """Draw the layout, filters and byte order of a NetCDF-4 variable."""
    options: dict[str, Any] = {"endian": draw(st.sampled_from(["native", "little", "big"]))}
    if not shape:
        return options
    if not unlimited and draw(st.integers(0, 3)) == 0:
        return options | {"contiguous": True}
    if draw(st.booleans()):
        options["chunksizes"] = [draw(st.integers(1, length)) for length in shape]
    options["compression"] = draw(st.sampled_from([None, "zlib", "zlib", "zstd"]))
    options["shuffle"] = draw(st.booleans())
    options["fletcher32"] = draw(st.booleans())
    return options


@st.composite
def attributes(draw: Any, dtype: str) -> dict[str, Any]:
    """Draw attributes that make decoding mask and scale."""
    result: dict[str, Any] = {"units": "K"}
    if draw(st.booleans()):
        result["_FillValue"] = np.array(draw(st.integers(0, 100)), dtype)[()]
    if draw(st.booleans()):
        result |= {"scale_factor": 0.5, "add_offset": np.float32(10)}
    return result


def keys(shape: tuple[int, ...]) -> st.SearchStrategy[tuple[Any, ...]]:
    """Draw an integer, a slice (strided, reversed, empty) or an array for each dimension."""
    return st.tuples(*[_key(length) for length in shape])


def _key(length: int) -> st.SearchStrategy[Any]:
    edge = st.none() | st.integers(-length - 1, length + 1)
    step = st.none() | st.integers(1, length + 1) | st.integers(-length - 1, -1)
    place = st.integers(-length, length - 1)
    arrays = st.lists(place, max_size=6).map(lambda places: np.array(places, "int64"))
    return st.just(slice(None)) | place | st.builds(slice, edge, edge, step) | arrays
