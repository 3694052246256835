"""Joining the pieces of one variable along the axis on which they differ, normally time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.cf import units
from compute_tasks.cf.attributes import combined
from compute_tasks.cf.axes import bounds_name, conventions, data_dimensions, find_axis
from compute_tasks.cf.grids import difference
from compute_tasks.cf.times import calendar_of, is_time
from compute_tasks.errors import InvalidInput

LOCATOR = "variable"
PACKING = ("scale_factor", "add_offset", "dtype", "_FillValue", "missing_value")


@dataclass(frozen=True, slots=True)
class Piece:
    """One input: what to call it, and `keys`, by which points of the joining axis are ordered."""

    label: str
    dataset: xr.Dataset
    keys: np.ndarray


def concatenate(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the pieces joined in the order of the axis on which they differ.

    Times are compared as dates, so the pieces may count them from different days; the result
    counts as its first piece does. Attributes and other coordinates are those of that piece, too.
    Raises InvalidInput naming the files when variables, units, calendars, grids or overlaps do not
    allow it.
    """
    labels = [source_name(dataset, place) for place, dataset in enumerate(datasets)]
    _check_variables(datasets, labels)
    axis = _joining_axis(datasets, labels)
    full = [d if axis in d.dims else d.expand_dims(axis) for d in datasets]
    _check_grids(full, labels, axis)
    keys = _keys([dataset.variables[axis] for dataset in full])
    pieces = _in_order([Piece(*p) for p in zip(labels, full, keys, strict=True)])
    _check_overlaps(pieces, axis)
    joined = xr.concat(
        _with_common_coordinates(pieces), axis, data_vars="minimal", coords="minimal",
        compat="override", join="override", combine_attrs="override",
    )  # fmt: skip
    joined = _interleaved(joined, axis, pieces)
    joined.attrs = combined([piece.dataset for piece in pieces])
    return _encoded(joined, axis, [piece.dataset for piece in pieces])


def source_name(dataset: xr.Dataset, place: int) -> str:
    """Return the address a dataset was read from, or which input it is."""
    return str(dataset.encoding.get("source", f"input {place + 1}"))


def _check_variables(datasets: Sequence[xr.Dataset], labels: Sequence[str]) -> None:
    first = datasets[0]
    for dataset, label in zip(datasets[1:], labels[1:], strict=True):
        if set(dataset.data_vars) != set(first.data_vars):
            held, there = (", ".join(map(str, d.data_vars)) for d in (first, dataset))
            raise InvalidInput(
                f"{labels[0]} holds the variable {held}, {label} holds {there}", locator=LOCATOR
            )
        for name, variable in first.data_vars.items():
            a, b = variable.attrs.get("units"), dataset.variables[name].attrs.get("units")
            if not units.same(a, b):
                raise InvalidInput(
                    f"units of {name} differ: {a!r} in {labels[0]}, {b!r} in {label}",
                    locator=LOCATOR,
                )
            if set(variable.dims) != set(dataset.variables[name].dims):
                raise InvalidInput(
                    f"axes of {name} differ: {', '.join(map(str, variable.dims))} in {labels[0]}, "
                    f"{', '.join(map(str, dataset[name].dims))} in {label}",
                    locator=LOCATOR,
                )


def _joining_axis(datasets: Sequence[xr.Dataset], labels: Sequence[str]) -> str:
    """Return the axis on which the pieces differ: time if they do, else the only other one."""
    first = datasets[0]
    time = _time_axis(first)
    if time and all(time in dataset.coords for dataset in datasets):
        _check_calendars(datasets, labels, time)
    axes = [axis for axis in data_dimensions(first) if axis in first.coords]
    if time and time not in axes:
        return time
    for axis in sorted(axes, key=lambda axis: axis != time):
        if any(axis in d.dims and difference(first, d, axis) for d in datasets[1:]):
            return axis
    raise InvalidInput(f"{labels[0]} and {labels[1]} cover the same points", locator=LOCATOR)


def _time_axis(dataset: xr.Dataset) -> str | None:
    try:
        axis = find_axis(dataset, "time")
    except InvalidInput:
        return None
    return axis if axis in dataset.coords and dataset.variables[axis].ndim < 2 else None


def _check_calendars(datasets: Sequence[xr.Dataset], labels: Sequence[str], time: str) -> None:
    found = {
        label: calendar_of(dataset.variables[time]).name
        for dataset, label in zip(datasets, labels, strict=True)
        if is_time(dataset.variables[time])
    }
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{calendar} in {label}" for label, calendar in found.items())
        raise InvalidInput(f"calendars differ: {listed}", locator=LOCATOR)


def _check_grids(datasets: Sequence[xr.Dataset], labels: Sequence[str], joining: str) -> None:
    """Refuse pieces that differ on another axis, or in their longitudes and latitudes."""
    first = datasets[0]
    axes = [axis for axis in data_dimensions(first) if axis != joining]
    positions = _positions(first)
    for dataset, label in zip(datasets[1:], labels[1:], strict=True):
        for axis in axes:
            if problem := difference(first, dataset, axis):
                raise InvalidInput(
                    f"axis {axis!r} of {labels[0]} and {label}: {problem}", locator=LOCATOR
                )
        for name in positions:
            if name in dataset.coords and not _same_positions(first[name], dataset[name]):
                raise InvalidInput(
                    f"the cells of {labels[0]} and {label} lie elsewhere: {name} differs",
                    locator=LOCATOR,
                )


def _positions(dataset: xr.Dataset) -> list[str]:
    """Return the longitudes and latitudes that are no axes of their own."""
    # Attributes say what a variable is, and bounds, for example, have none.
    asked = [n for n, c in dataset.coords.items() if c.ndim and n not in dataset.dims and c.attrs]
    if not asked:
        return []
    found = conventions(dataset).coordinates
    return [n for n in (*found.get("longitude", ()), *found.get("latitude", ())) if n in asked]


def _same_positions(first: xr.DataArray, other: xr.DataArray) -> bool:
    return first.shape == other.shape and bool(
        np.allclose(first.values, other.values, rtol=0, atol=1e-4, equal_nan=True)
    )


def _keys(axes: Sequence[xr.Variable]) -> list[np.ndarray]:
    """Return what the points of the joining axis are ordered by, for each piece."""
    values = np.concatenate([axis.values for axis in axes])
    if is_time(axes[0]):
        values = calendar_of(axes[0]).seconds(values)
    return np.split(values.astype(np.float64), np.cumsum([axis.size for axis in axes])[:-1])


def _descend(pieces: Sequence[Piece]) -> bool:
    """Say whether the joining axis runs downwards within the pieces."""
    return bool(sum(np.sign(piece.keys[-1] - piece.keys[0]) for piece in pieces) < 0)


def _in_order(pieces: list[Piece]) -> list[Piece]:
    """Return the pieces as they follow each other, so that joining need not move their data."""
    return sorted(pieces, key=lambda piece: float(piece.keys[0]), reverse=_descend(pieces))


def _check_overlaps(pieces: Sequence[Piece], axis: str) -> None:
    """Refuse a point that two pieces hold."""
    values = np.concatenate([piece.keys for piece in pieces])
    owners = np.repeat(np.arange(len(pieces)), [len(piece.keys) for piece in pieces])
    order = np.argsort(values, kind="stable")
    timed = is_time(pieces[0].dataset[axis].variable)
    apart = np.diff(values[order])
    near = apart <= (1.0 if timed else 1e-6 * np.maximum(1.0, np.abs(values[order][1:])))
    twice = np.flatnonzero(near & (np.diff(owners[order]) != 0))
    if not twice.size:
        return
    place = order[twice[0]]
    one, two = (pieces[owners[order[twice[0] + i]]] for i in (0, 1))
    there = np.concatenate([piece.dataset[axis].values for piece in pieces])[place]
    raise InvalidInput(
        f"{one.label} and {two.label} overlap: both hold {axis} "
        f"{there.isoformat() if timed else there}",
        locator=LOCATOR,
    )


def _with_common_coordinates(pieces: Sequence[Piece]) -> list[xr.Dataset]:
    """Return the datasets without coordinates that some of them lack, e.g. bounds."""
    datasets = [piece.dataset for piece in pieces]
    common = set.intersection(*(set(dataset.coords) for dataset in datasets))
    lacking = [set(dataset.coords) - common for dataset in datasets]
    return [d.drop_vars(names) if names else d for d, names in zip(datasets, lacking, strict=True)]


def _interleaved(joined: xr.Dataset, axis: str, pieces: Sequence[Piece]) -> xr.Dataset:
    """Return the joined dataset with its points in order also where the pieces interlock."""
    values = np.concatenate([piece.keys for piece in pieces])
    order = np.argsort(-values if _descend(pieces) else values, kind="stable")
    return joined if (np.diff(order) == 1).all() else joined.isel({axis: order})


def _encoded(joined: xr.Dataset, axis: str, pieces: Sequence[xr.Dataset]) -> xr.Dataset:
    """Return the dataset with the encoding of the first piece where it suits all of them."""
    first = pieces[0]
    for name in joined.data_vars:
        encodings = [piece.variables[name].encoding for piece in pieces]
        given = [{key: encoding.get(key) for key in PACKING} for encoding in encodings]
        joined[name].encoding = dict(encodings[0])
        if any(repr(other) != repr(given[0]) for other in given[1:]):
            for key in PACKING:
                joined[name].encoding.pop(key, None)
    # Whole numbers of the first piece's units need not hold the times of the others.
    encoding = dict(first[axis].encoding)
    if is_time(first[axis].variable):
        encoding["dtype"] = "float64"
    joined[axis].encoding = encoding
    if bounds := bounds_name(joined, axis):
        joined[bounds].encoding = {k: v for k, v in encoding.items() if k != "bounds"}
    elif "bounds" in encoding:
        joined[axis].encoding.pop("bounds")
    return joined
