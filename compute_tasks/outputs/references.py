"""How the variables of a CF dataset refer to each other by name: bounds, grid mappings and so on.

The attributes are looked for in `attrs` and in `encoding`, where decoding moves them.
"""

import re
from collections.abc import Hashable

import xarray as xr

from compute_tasks.cf.axes import is_on_map

BOUNDS = ("bounds", "climatology")
PAIRS = ("cell_measures", "formula_terms")
REFERENCES = (*BOUNDS, *PAIRS, "grid_mapping", "ancillary_variables")
BOUNDS_SUFFIXES = ("_bnds", "_bounds")


def settle(dataset: xr.Dataset) -> xr.Dataset:
    """Return the dataset without coordinates that describe none of its data variables."""
    dimensions = {d for variable in dataset.data_vars.values() for d in variable.dims}
    kept = {n for n, v in dataset.variables.items() if dimensions.issuperset(v.dims)}
    kept -= set(_grid_mappings(dataset))
    kept |= set(dataset.data_vars)
    before = 0
    while len(kept) > before:
        before = len(kept)
        kept |= {target for name in list(kept) for target in targets(dataset, name)}
    return dataset.drop_vars([name for name in dataset.coords if name not in kept])


def references(dataset: xr.Dataset, name: Hashable) -> dict[str, str]:
    """Return the reference attributes of one variable, without what dangles."""
    variable = dataset.variables[name]
    found = {}
    for key in REFERENCES:
        text = variable.attrs.get(key, variable.encoding.get(key))
        if isinstance(text, str) and (sound := _sound(dataset, key, text)):
            found[key] = sound
    if name in dataset.coords and not any(key in found for key in BOUNDS):
        found |= _customary_bounds(dataset, name)
    if name in dataset.data_vars:
        found = _with_grid_mapping(dataset, name, found)
    return found


def targets(dataset: xr.Dataset, name: Hashable) -> list[str]:
    """Return the variables of the dataset that one of them refers to."""
    return [n for key, text in references(dataset, name).items() for n in _names(key, text)]


def auxiliary(dataset: xr.Dataset, name: Hashable) -> list[str]:
    """Return what belongs into the `coordinates` attribute of a data variable."""
    dimensions = dataset[name].dims
    described = {target for other in dataset.variables for target in targets(dataset, other)}
    return [
        str(coordinate)
        for coordinate, values in dataset.coords.items()
        if coordinate not in described
        and coordinate not in dataset.dims
        and set(dimensions).issuperset(values.dims)
    ]


def _names(key: str, text: str) -> list[str]:
    if key in PAIRS:
        return re.findall(r":\s*([^\s:]+)", text)
    return text.replace(":", " ").split()


def _sound(dataset: xr.Dataset, key: str, text: str) -> str:
    """Return the reference when all it names is there; of cell measures those that are."""
    if key == "cell_measures":
        pairs = re.findall(r"([^\s:]+):\s*([^\s:]+)", text)
        return " ".join(f"{term}: {name}" for term, name in pairs if name in dataset.variables)
    return text if all(name in dataset.variables for name in _names(key, text)) else ""


def _customary_bounds(dataset: xr.Dataset, name: Hashable) -> dict[str, str]:
    """Return the bounds that only the customary name still ties to their coordinate."""
    dimensions = dataset.variables[name].dims
    for suffix in BOUNDS_SUFFIXES:
        bounds = dataset.variables.get(f"{name}{suffix}")
        if bounds is not None and bounds.dims[:-1] == dimensions and bounds.ndim:
            return {"bounds": f"{name}{suffix}"}
    return {}


def _with_grid_mapping(
    dataset: xr.Dataset, name: Hashable, found: dict[str, str]
) -> dict[str, str]:
    """Return the references with the dataset's one grid mapping, which computing may cut loose.

    A variable that is on no place of the map any more has none.
    """
    mappings = _grid_mappings(dataset)
    if len(mappings) == 1:
        found = {"grid_mapping": mappings[0], **found}
    if "grid_mapping" not in found or is_on_map(dataset[[name]]):
        return found
    return {key: text for key, text in found.items() if key != "grid_mapping"}


def _grid_mappings(dataset: xr.Dataset) -> list[str]:
    return [str(n) for n, values in dataset.coords.items() if "grid_mapping_name" in values.attrs]
