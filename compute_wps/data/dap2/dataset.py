"""What a netCDF file holds, as DAP2 sees it.

`describe` gives the variables, dimensions and attributes of a file as plain values; `opened` lends
the file itself for reading. The netCDF library is not thread safe: `LIBRARY` is held around every
call into it, for one block at a time, and never while something is sent. It may be taken again by
the thread that has it, because the garbage collector may close a file at any moment.
"""

import functools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import netCDF4
import numpy as np

from compute_wps.data.dap2.errors import DapError
from compute_wps.data.dap2.model import WIRE, Attribute, Dataset, Dimension, Variable

LIBRARY = threading.RLock()
TYPES = {
    "u1": "Byte",
    "i1": "Int16",
    "i2": "Int16",
    "u2": "UInt16",
    "i4": "Int32",
    "u4": "UInt32",
    "f4": "Float32",
    "f8": "Float64",
}
UNSIGNED = {"Byte", "UInt16", "UInt32"}
SCANNED_BYTES = 16_000_000
INT32 = np.iinfo("i4")


@contextmanager
def opened(path: Path) -> Iterator[netCDF4.Dataset]:
    """Open a file whose variables give raw stored values; the caller holds LIBRARY to read them."""
    with LIBRARY:
        file = _open(path)
    try:
        yield file
    finally:
        with LIBRARY:
            file.close()


def describe(path: Path) -> Dataset:
    """Return what the file holds; DapError 404 when it is gone, 500 when it is no netCDF file."""
    try:
        identity = path.stat()
    except OSError:
        raise DapError(404, f"no file {path.name}") from None
    try:
        return _describe(path, identity.st_ino, identity.st_mtime_ns, identity.st_size)
    except RuntimeError as error:
        raise _unreadable(path) from error


@functools.lru_cache(maxsize=64)
def _describe(path: Path, *_identity: int) -> Dataset:
    with LIBRARY, _open(path) as file:
        return Dataset(
            name=path.name,
            variables={
                name: _variable(file, variable)
                for name, variable in file.variables.items()
                if _offered(variable)
            },
            attributes=tuple(_attributes(file)),
            unlimited=_unlimited(file),
        )


def _open(path: Path) -> netCDF4.Dataset:
    try:
        file = netCDF4.Dataset(path)
    except FileNotFoundError:
        raise DapError(404, f"no file {path.name}") from None
    except OSError as error:
        raise _unreadable(path) from error
    file.set_auto_maskandscale(False)
    file.set_auto_chartostring(False)
    return file


def _unreadable(path: Path) -> DapError:
    return DapError(500, f"{path.name} cannot be read as netCDF")


def _offered(variable: netCDF4.Variable) -> bool:
    """Say whether DAP2 can show the variable: not compound, not ragged, at least one value."""
    is_text = variable.dtype is str
    is_plain = is_text or (
        isinstance(variable.datatype, np.dtype) and variable.dtype.kind in "iufS"
    )
    return is_plain and 0 not in variable.shape


def _variable(file: netCDF4.Dataset, variable: netCDF4.Variable) -> Variable:
    dimensions = [
        Dimension(*pair) for pair in zip(variable.dimensions, variable.shape, strict=True)
    ]
    characters, width = None, 0
    if variable.dtype is str:
        kind, width = "String", _longest(variable)
    elif variable.dtype.kind == "S":
        kind, characters = "String", dimensions.pop() if dimensions else Dimension("", 1)
        width = characters.size
    else:
        kind = _number_type(variable)
    return Variable(
        name=variable.name,
        type=kind,
        dimensions=tuple(dimensions),
        attributes=tuple(_variable_attributes(variable, kind)),
        maps=_maps(file, variable.name, dimensions),
        width=width,
        characters=characters,
    )


def _maps(file: netCDF4.Dataset, name: str, dimensions: list[Dimension]) -> tuple[str, ...]:
    """Return the coordinate variable of each dimension, or nothing when one is missing."""
    names = tuple(dimension.name for dimension in dimensions)
    are_coordinates = all(
        axis in file.variables
        and file.variables[axis].dimensions == (axis,)
        and file.variables[axis].dtype is not str
        and _offered(file.variables[axis])
        for axis in names
    )
    return names if are_coordinates and names != (name,) and len(set(names)) == len(names) else ()


def _number_type(variable: netCDF4.Variable) -> str:
    stored = variable.dtype.newbyteorder("=")
    if stored == np.uint8 or holds_unsigned_bytes(variable):
        # Clients disagree on how many bytes a single Byte takes in an answer.
        return "Byte" if variable.dimensions else "Int16"
    return TYPES.get(stored.str[1:]) or _wide_integer_type(variable)


def holds_unsigned_bytes(variable: netCDF4.Variable) -> bool:
    """Say whether signed bytes are meant as unsigned ones, as netCDF-3 files have to store them."""
    return variable.dtype == np.int8 and getattr(variable, "_Unsigned", "").lower() == "true"


def _wide_integer_type(variable: netCDF4.Variable) -> str:
    """DAP2 has no 64-bit integers: Int32 when every value is known to fit, else Float64."""
    if variable.size * 8 > SCANNED_BYTES:
        return "Float64"
    values = np.append(variable[...].ravel(), getattr(variable, "_FillValue", 0))
    return _integer_type(values)


def _integer_type(values: np.ndarray) -> str:
    fits = INT32.min <= values.min(initial=0) and values.max(initial=0) <= INT32.max
    return "Int32" if fits else "Float64"


def _longest(variable: netCDF4.Variable) -> int:
    texts = np.asarray(variable[...], dtype=object).ravel()
    return max((len(text.encode()) for text in texts), default=0)


def _attributes(owner: Any, kind: str | None = None) -> Iterator[Attribute]:
    for name in owner.ncattrs():
        value = owner.getncattr(name)
        if isinstance(value, str):
            yield Attribute(name, "String", (value,))
        elif isinstance(value, list):
            yield Attribute(name, "String", tuple(value))
        elif (numbers := np.atleast_1d(value)).size and numbers.dtype.kind in "iuf":
            # Clients refuse a fill value whose type is not the variable's.
            fill = kind if name == "_FillValue" and kind in WIRE else None
            yield _number_attribute(name, numbers, fill)


def _variable_attributes(variable: netCDF4.Variable, kind: str) -> Iterator[Attribute]:
    unsigned = holds_unsigned_bytes(variable) or kind in UNSIGNED
    yield from (
        item for item in _attributes(variable, kind) if not (unsigned and item.name == "_Unsigned")
    )
    if kind in UNSIGNED:
        # The netCDF library has no unsigned numbers in its view of DAP2; this marks them.
        yield Attribute("_Unsigned", "String", ("true",))


def _number_attribute(name: str, numbers: np.ndarray, kind: str | None) -> Attribute:
    if kind == "Byte":
        numbers = numbers.astype("u1")
    native = TYPES.get(numbers.dtype.newbyteorder("=").str[1:])
    return Attribute(name, kind or native or _integer_type(numbers), tuple(numbers))


def _unlimited(file: netCDF4.Dataset) -> str | None:
    """Return the unlimited dimension if the file has one, as a netCDF-3 file has it: always first.

    DAP2 clients show a dataset in the netCDF-3 model and fail on anything else.
    """
    names = [name for name, dimension in file.dimensions.items() if dimension.isunlimited()]
    if len(names) != 1 or len(file.dimensions[names[0]]) == 0:
        return None
    axes = (variable.dimensions for variable in file.variables.values())
    return names[0] if all(names[0] not in dimensions[1:] for dimensions in axes) else None
