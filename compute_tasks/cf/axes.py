"""Which axis of a dataset a request means: by its name, or by what it is in the CF conventions.

Names are tried first, then standard names, then roles (`x`, `latitude`, `time`, `z`,
...). Bounds and grid mappings are no axes.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import xarray as xr

from compute_tasks.cf.times import is_time
from compute_tasks.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Role:
    """A kind of axis: the CF keys that mark it, in order of trust, and the names it goes by.

    `words` are what a request may say for it, `names` what files without attributes call it.
    """

    keys: tuple[str, ...]
    words: frozenset[str]
    names: frozenset[str]


LONGITUDE = Role(("longitude",), frozenset({"lon", "longitude"}), frozenset({"lon", "longitude"}))
LATITUDE = Role(("latitude",), frozenset({"lat", "latitude"}), frozenset({"lat", "latitude"}))
TIME = Role(("T", "time"), frozenset({"t", "time"}), frozenset({"t", "time"}))
LEVELS = frozenset({"z", "lev", "level", "plev", "height", "depth", "altitude"})
X = Role(("X", "longitude"), frozenset({"x"}), frozenset({"lon", "longitude", "rlon"}))
Y = Role(("Y", "latitude"), frozenset({"y"}), frozenset({"lat", "latitude", "rlat"}))
ROLES = (
    LONGITUDE,
    LATITUDE,
    TIME,
    X,
    Y,
    Role(("Z", "vertical"), frozenset({"z", "lev", "level", "vertical"}), LEVELS),
)


def conventions(dataset: xr.Dataset) -> Any:
    """Return the accessor of cf-xarray, which knows what the variables are in the conventions."""
    # Most requests name axes as their files do; loading it would take longer than opening these.
    import cf_xarray  # noqa: F401, PLC0415  registers the accessor

    return dataset.cf


def data_dimensions(dataset: xr.Dataset) -> tuple[str, ...]:
    """Return the dimensions of the data variables, in the order they are met."""
    return tuple(dict.fromkeys(str(d) for v in dataset.data_vars.values() for d in v.dims))


def bounds_name(dataset: xr.Dataset, axis: str) -> str | None:
    """Return the name of the variable holding the cell bounds of `axis`, if there is one."""
    if axis not in dataset.coords:
        return None
    coordinate = dataset[axis]
    name = coordinate.encoding.get("bounds") or coordinate.attrs.get("bounds")
    return name if name in dataset.variables else None


def axis_names(dataset: xr.Dataset) -> tuple[str, ...]:
    """Return every name that can be asked for: dimensions of the data, then coordinates."""
    dims = data_dimensions(dataset)
    bounds = {bounds_name(dataset, str(c)) for c in dataset.coords}
    coords = (
        str(name)
        for name, coordinate in dataset.coords.items()
        if name not in bounds
        and "grid_mapping_name" not in coordinate.attrs
        and set(coordinate.dims) <= set(dims)
    )
    return tuple(dict.fromkeys((*dims, *coords)))


def find_axis(dataset: xr.Dataset, name: str, *, locator: str | None = None) -> str:
    """Return the dimension or coordinate meant by a name, a standard name or a CF role.

    Raises InvalidInput naming the axes there are, or those among which the name does not decide.
    """
    wanted = name.strip()
    for found in _candidates(dataset, wanted):
        dims = [axis for axis in found if axis in dataset.dims]
        chosen = dims or found
        if len(chosen) == 1:
            return chosen[0]
        if chosen:
            among = ", ".join(chosen)
            raise InvalidInput(f"{name!r} could be any of the axes {among}", locator=locator)
    raise InvalidInput(_unknown(dataset, wanted), locator=locator)


def find_dimension(dataset: xr.Dataset, name: str, *, locator: str | None = None) -> str:
    """Return the dimension that runs along the axis meant by `name`.

    Raises InvalidInput for an unknown axis and for one that has no dimension of its own.
    """
    (dimension,) = find_dimensions(dataset, [name], locator=locator)
    return dimension


def find_dimensions(
    dataset: xr.Dataset, names: Iterable[str], *, locator: str | None = None
) -> tuple[str, ...]:
    """Return the dimensions that run along the axes meant by names, each once.

    Latitudes and longitudes that vary along the same dimensions, as on curvilinear grids and
    meshes, stand for these dimensions when both are named. Raises InvalidInput for an unknown axis
    and for one that has no dimension of its own.
    """
    axes = [find_axis(dataset, name, locator=locator) for name in names]
    found = (_dimensions_of(dataset, axis, axes, locator) for axis in axes)
    return tuple(dict.fromkeys(dimension for dimensions in found for dimension in dimensions))


def _dimensions_of(
    dataset: xr.Dataset, axis: str, axes: Collection[str], locator: str | None
) -> tuple[str, ...]:
    """Return the dimensions to take for `axis` when `axes` are asked for together."""
    if axis in dataset.dims:
        return (axis,)
    dims = tuple(map(str, dataset[axis].dims))
    if not dims:
        raise InvalidInput(f"axis {axis!r} was already reduced to a single value", locator=locator)
    partners = _sharing(dataset, axis)
    if not partners.isdisjoint(axes) or (len(dims) == 1 and not partners):
        return dims
    together = f" as {' and '.join(sorted(partners))} does" if partners else ""
    among = " and ".join(dims)
    raise InvalidInput(
        f"{axis!r} varies along {among}{together}; name {'these' if dims[1:] else 'that'} instead",
        locator=locator,
    )


def _sharing(dataset: xr.Dataset, axis: str) -> frozenset[str]:
    """Return the longitudes on the dimensions of the latitude `axis`, or the other way round."""
    for role, other in ((LATITUDE, LONGITUDE), (LONGITUDE, LATITUDE)):
        if axis in _playing(dataset, role):
            there = _playing(dataset, other)
            return frozenset(n for n in there if dataset[n].dims == dataset[axis].dims)
    return frozenset()


def is_longitude(dataset: xr.Dataset, axis: str) -> bool:
    """Say whether `axis` holds geographic longitudes, which repeat every 360 degrees."""
    if axis.lower() in LONGITUDE.names:
        return True
    return axis in conventions(dataset).coordinates.get("longitude", ())


def is_on_map(dataset: xr.Dataset) -> bool:
    """Say whether the data have a place on the map: an axis or a single value of x or y."""
    return any(_playing(dataset, role) for role in (X, Y))


def same_role(dataset: xr.Dataset, axis: str, other: xr.Dataset) -> str | None:
    """Return the axis of `other` that plays the role `axis` has in `dataset`, if just one does."""
    there = set(data_dimensions(other))
    for role in ROLES:
        if axis in _playing(dataset, role):
            found = [name for name in _playing(other, role) if name in there]
            if len(found) == 1:
                return found[0]
    return None


def _candidates(dataset: xr.Dataset, wanted: str) -> Iterator[list[str]]:
    """Yield groups of axes that fit, the most literal reading first."""
    offered = axis_names(dataset)
    yield [axis for axis in offered if axis == wanted]
    yield [axis for axis in offered if axis.lower() == wanted.lower()]
    standard_names = conventions(dataset).standard_names.get(wanted.lower(), [])
    yield [axis for axis in offered if axis in standard_names]
    for role in ROLES:
        if wanted.lower() in role.words:
            yield from _by_role(dataset, role)


def _by_role(dataset: xr.Dataset, role: Role) -> Iterator[list[str]]:
    offered = axis_names(dataset)
    marked = {**conventions(dataset).coordinates, **conventions(dataset).axes}
    for key in role.keys:
        yield [axis for axis in offered if axis in marked.get(key, ())]
    yield [axis for axis in offered if axis.lower() in role.names]
    if role is TIME:
        coordinates = [axis for axis in offered if axis in dataset.coords]
        yield [axis for axis in coordinates if is_time(dataset[axis].variable)]


def _playing(dataset: xr.Dataset, role: Role) -> list[str]:
    return list(dict.fromkeys(axis for found in _by_role(dataset, role) for axis in found))


def _unknown(dataset: xr.Dataset, wanted: str) -> str:
    text = f"no axis {wanted!r}; the axes are {', '.join(axis_names(dataset)) or 'none'}"
    words = next((r.words | r.names for r in ROLES if wanted.lower() in r.words), {wanted})
    for name, variable in dataset.data_vars.items():
        methods = str(variable.attrs.get("cell_methods", ""))
        if any(f"{word}:" in methods.split() for word in words):
            return f"{text} ({name} was already reduced over it: cell_methods {methods!r})"
    return text
