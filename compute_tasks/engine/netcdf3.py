"""The chunk index of a classic NetCDF file (CDF-1, CDF-2, CDF-5), from its header."""

from compute_tasks.engine.classic import HeaderError, Layout, read_header
from compute_tasks.engine.layout import (
    DamagedFileError,
    FileIndex,
    Identity,
    UnsupportedError,
    VariableIndex,
    check_dtype,
    contiguous,
)


def index_netcdf3(identity: Identity) -> FileIndex:
    """Return where every variable is; DamagedFileError if header or length are wrong."""
    try:
        with identity.path.open("rb") as file:
            header = read_header(file)
    except HeaderError as error:
        raise DamagedFileError(f"the header is damaged: {error}") from error
    if header.records is None:
        return FileIndex(identity, {}, {"": "an open number of records"})
    if header.expected_bytes > identity.size:
        raise DamagedFileError(
            f"it has {identity.size} bytes where its header promises {header.expected_bytes}"
        )
    variables: dict[str, VariableIndex] = {}
    refused: dict[str, str] = {}
    for layout in header.variables:
        try:
            variables[layout.name] = _variable(layout)
        except UnsupportedError as reason:
            refused[layout.name] = str(reason)
    return FileIndex(identity, variables, refused)


def _variable(layout: Layout) -> VariableIndex:
    dtype = check_dtype(layout.dtype)
    # Records of one variable alone stand one after the other.
    stride = 0 if layout.stride == layout.record_bytes else layout.stride
    return contiguous(layout.name, layout.shape, dtype, layout.begin, stride=stride)
