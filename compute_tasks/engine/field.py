"""A deferred array for xarray: what is done to it becomes a tree of nodes, and nothing is read.

Selections are pushed down to the files, functions of points are joined, arrays in files follow each
other. For everything else the field becomes a dask array over the same reader (`Field.lazy`), so
that any function of numpy and xarray is right with it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from compute_tasks.engine.expression import Arranged, Node, Operand
from compute_tasks.engine.indexing import parsed
from compute_tasks.engine.joining import NotJoined, joined
from compute_tasks.engine.pointwise import GAP, Call, pointwise
from compute_tasks.engine.slicing import NotPushed, sliced

if TYPE_CHECKING:
    import dask.array as da

ELEMENTWISE: frozenset[Callable[..., Any]] = frozenset({np.where, np.clip, np.round, np.nan_to_num})
"""Functions of points that are no ufuncs."""


class Field(NDArrayOperatorsMixin):
    """An array that is not computed yet: a node, and what numpy asks of arrays."""

    __slots__ = ("node",)
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, node: Node) -> None:
        self.node = node

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of elements along each dimension."""
        return self.node.shape

    @property
    def dtype(self) -> np.dtype:
        """The type of the values."""
        return self.node.dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def nbytes(self) -> int:
        """The bytes of the values in memory."""
        return self.size * self.dtype.itemsize

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"Field(shape={self.shape}, dtype={self.dtype})"

    def __copy__(self) -> "Field":
        return self

    def __deepcopy__(self, memo: Any) -> "Field":
        return self

    def lazy(self) -> "da.Array":
        """Return the same as a dask array, in blocks of whole chunks."""
        # What streams should not wait for dask to be loaded.
        from compute_tasks.engine.fallback import lazy  # noqa: PLC0415

        return lazy(self.node)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """Read and compute all of it in this thread."""
        # It loads the compiled kernels, which opening a file should not wait for.
        from compute_tasks.engine.evaluation import in_memory  # noqa: PLC0415

        return np.asarray(in_memory(self.node, threads=1), dtype)

    def astype(self, dtype: Any, copy: bool = True, **options: Any) -> Any:
        """Return the values as another type."""
        kind = np.dtype(dtype)
        if kind == self.dtype:
            return self
        if options:
            return self.lazy().astype(dtype, copy=copy, **options)
        return _called(_as_type, (self, kind.str))

    def transpose(self, *axes: Any) -> "Field":
        """Return the dimensions in another order."""
        order = axes[0] if len(axes) == 1 and not np.isscalar(axes[0]) else axes
        order = tuple(order) if order else tuple(reversed(range(self.ndim)))
        return arranged(self, tuple(int(axis) % self.ndim for axis in order))

    def __getitem__(self, key: Any) -> Any:
        """Return the places selected; what is empty, or selects points, is an array in memory."""
        keys, order = parsed(key, self.shape)
        if keys is None:
            return np.asarray(self)[key]
        if not all(map(len, keys)):
            lengths = [len(k) for k in keys]
            return np.empty([1 if axis is None else lengths[axis] for axis in order], self.dtype)
        try:
            chosen = field_of(sliced(self.node, keys))
        except NotPushed:
            return self.lazy()[key]
        return arranged(chosen, order)

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **options: Any) -> Any:
        if method == "__call__" and ufunc.nout == 1 and not options and _are_points(inputs):
            return _called(ufunc, inputs)
        return getattr(ufunc, method)(*_without_fields(inputs), **_without_fields(options))

    def __array_function__(
        self, function: Callable[..., Any], types: Any, args: Any, options: Any
    ) -> Any:
        if function in ELEMENTWISE and not options and _are_points(args):
            return _called(function, args)
        if way := _FUNCTIONS.get(function):
            result = way(*args, **options)
            if result is not NotImplemented:
                return result
        return function(*_without_fields(args), **_without_fields(options))


def arranged(field: Field, order: tuple[int | None, ...]) -> Field:
    """Return the field with its dimensions in this order (see `expression.Arranged`)."""
    if order == tuple(range(field.ndim)):
        return field
    node = field.node
    if isinstance(node, Arranged):
        order = tuple(None if axis is None else node.order[axis] for axis in order)
        node = node.of  # type: ignore[assignment]
    if order == tuple(range(len(node.shape))):
        return Field(node)
    return Field(Arranged(node, order))


def field_of(node: Operand) -> Field:
    """Return the field of a node that is no array in memory."""
    if isinstance(node, np.ndarray):
        raise TypeError("an array in memory is no field")
    return Field(node)


def _are_points(arguments: Sequence[Any]) -> bool:
    """Tell whether the arguments are fields, arrays in memory and numbers."""
    return all(isinstance(a, Field | np.ndarray | np.generic | int | float) for a in arguments)


def _called(function: Callable[..., Any], arguments: Sequence[Any]) -> Field:
    """Return the field of a function of points."""
    dimensions = max(a.ndim for a in arguments if isinstance(a, Field | np.ndarray))
    operands = [_widened(a, dimensions) for a in arguments if _has_points(a)]
    call = Call(function, tuple(GAP if _has_points(a) else a for a in arguments))
    nothing = [np.empty((0,) * dimensions, operand.dtype) for operand in operands]
    return Field(pointwise(call, operands, call(*nothing).dtype))


def _as_type(values: np.ndarray, kind: str) -> np.ndarray:
    return values.astype(kind)


def _has_points(argument: Any) -> bool:
    return isinstance(argument, Field) or (isinstance(argument, np.ndarray) and argument.ndim > 0)


def _widened(argument: Any, dimensions: int) -> Operand:
    """Return a field's node or an array with dimensions of length 1 in front of its own."""
    missing = dimensions - argument.ndim
    if isinstance(argument, Field):
        return arranged(argument, (None,) * missing + tuple(range(argument.ndim))).node
    return np.asarray(argument)[(None,) * missing]


def _without_fields(value: Any) -> Any:
    """Return arguments with dask arrays in place of fields."""
    if isinstance(value, Field):
        return value.lazy()
    if isinstance(value, tuple | list):
        return type(value)(map(_without_fields, value))
    if isinstance(value, Mapping):
        return {key: _without_fields(one) for key, one in value.items()}
    return value


def _concatenated(arrays: Sequence[Any], axis: int = 0) -> Any:
    if not all(isinstance(array, Field) for array in arrays):
        return NotImplemented
    try:
        return field_of(joined([array.node for array in arrays], axis % arrays[0].ndim))
    except NotJoined:
        return NotImplemented


def _expanded(field: Any, axis: Any) -> Any:
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    count = field.ndim + len(axes)
    new = {one % count for one in axes}
    old = iter(range(field.ndim))
    return arranged(field, tuple(None if place in new else next(old) for place in range(count)))


def _result_type(*arguments: Any) -> np.dtype:
    return np.result_type(*(a.dtype if isinstance(a, Field) else a for a in arguments))


def _transposed(field: Any, axes: Sequence[int] | None = None) -> Any:
    return field.transpose(*axes or ())


_FUNCTIONS: Mapping[Callable[..., Any], Callable[..., Any]] = {
    np.concatenate: _concatenated,
    np.expand_dims: _expanded,
    np.result_type: _result_type,
    np.transpose: _transposed,
    np.shape: lambda field: field.shape,
    np.ndim: lambda field: field.ndim,
}
"""What has a way of its own; NotImplemented from one means by dask."""
