"""The header of classic NetCDF files (CDF-1, CDF-2 and CDF-5): variables, layout, expected length.

The libraries read a truncated classic file as if zeros stood where bytes are missing; comparing the
length with what the header promises is how that is noticed. Layout as in the format's specification
(https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html).
"""

import math
import struct
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

MAGIC = b"CDF"
DTYPES = {1: "i1", 2: "S1", 3: ">i2", 4: ">i4", 5: ">f4", 6: ">f8"} | {
    7: "u1",
    8: ">u2",
    9: ">u4",
    10: ">i8",
    11: ">u8",
}
DIMENSIONS, VARIABLES, ATTRIBUTES = 10, 11, 12


class HeaderError(ValueError):
    """The header ends early or holds what the format does not allow."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where one variable lies: its shape (records included), dtype and first byte.

    `record_bytes` is the length of one record for a variable along the unlimited dimension, of the
    whole variable otherwise, without padding; `stride` is the distance from one record to the next,
    0 for a variable without records.
    """

    name: str
    dimensions: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: np.dtype
    begin: int
    record_bytes: int
    stride: int

    @property
    def end(self) -> int:
        """The byte after the last one of the variable."""
        records = self.shape[0] if self.stride else 1
        if not records:
            return 0
        return self.begin + (records - 1) * self.stride + self.record_bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What a classic header says: the format's version, the number of records, the variables."""

    version: int
    records: int | None
    variables: tuple[Layout, ...]

    @property
    def expected_bytes(self) -> int:
        """The least length in bytes of a file with all its data."""
        return max((variable.end for variable in self.variables), default=0)


def read_header(file: BinaryIO) -> Header:
    """Parse the header from the start of the file; HeaderError if it is none or incomplete.

    `records` is None where the writer streamed and left the count open.
    """
    return _Reader(file).header()


class _Reader:
    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        magic = self.take(4)
        if magic[:3] != MAGIC or magic[3] not in (1, 2, 5):
            raise HeaderError("not a classic NetCDF file")
        self.version = magic[3]

    def take(self, count: int) -> bytes:
        data = self.file.read(count)
        if len(data) != count:
            raise HeaderError("the header is cut off")
        return data

    def int32(self) -> int:
        return int(struct.unpack(">i", self.take(4))[0])

    def int64(self) -> int:
        return int(struct.unpack(">q", self.take(8))[0])

    def count(self) -> int:
        value = self.int64() if self.version == 5 else self.int32()
        if value < 0:
            raise HeaderError("negative count in the header")
        return value

    def offset(self) -> int:
        return self.int32() if self.version == 1 else self.int64()

    def text(self) -> str:
        length = self.count()
        return self.padded(length).decode("utf-8", "replace")

    def padded(self, length: int) -> bytes:
        return self.take(length + -length % 4)[:length]

    def entries(self, tag: int) -> int:
        """Return how many entries the list has; an absent list is two zeros."""
        found, count = self.int32(), self.count()
        if found not in (0, tag) or (found == 0 and count):
            raise HeaderError("unexpected tag in the header")
        return count

    def skip_attributes(self) -> None:
        for _ in range(self.entries(ATTRIBUTES)):
            self.text()
            size = self.dtype().itemsize
            self.padded(self.count() * size)

    def dtype(self) -> np.dtype:
        kind = self.int32()
        if kind not in DTYPES:
            raise HeaderError(f"unknown data type {kind} in the header")
        return np.dtype(DTYPES[kind])

    def header(self) -> Header:
        records: int | None = self.int64() if self.version == 5 else self.int32()
        if records is not None and records < 0:
            records = None
        dimensions = [(self.text(), self.count()) for _ in range(self.entries(DIMENSIONS))]
        self.skip_attributes()
        raw = [self.variable(dimensions) for _ in range(self.entries(VARIABLES))]
        return Header(self.version, records, tuple(_placed(raw, records or 0)))

    def variable(self, dimensions: list[tuple[str, int]]) -> Layout:
        name = self.text()
        ids = [self.count() for _ in range(self.count())]
        if any(number >= len(dimensions) for number in ids):
            raise HeaderError(f"variable {name!r} has an unknown dimension")
        self.skip_attributes()
        dtype = self.dtype()
        # The stored size overflows for large variables, so the shape decides instead.
        self.take(8 if self.version == 5 else 4)
        begin = self.offset()
        names = tuple(dimensions[number][0] for number in ids)
        shape = tuple(dimensions[number][1] for number in ids)
        along_records = bool(shape) and shape[0] == 0
        size = math.prod(shape[1:] if along_records else shape) * dtype.itemsize
        return Layout(name, names, shape, dtype, begin, size, int(along_records))


def _placed(variables: list[Layout], records: int) -> list[Layout]:
    """Fill in the number of records and their distance, known only from all variables together."""
    sizes = [variable.record_bytes for variable in variables if variable.stride]
    # One record variable alone is packed without padding.
    stride = sizes[0] if len(sizes) == 1 else sum(size + -size % 4 for size in sizes)
    return [
        Layout(
            v.name,
            v.dimensions,
            (records, *v.shape[1:]) if v.stride else v.shape,
            v.dtype,
            v.begin,
            v.record_bytes,
            stride if v.stride else 0,
        )
        for v in variables
    ]
