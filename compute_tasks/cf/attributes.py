"""Attributes and references that results carry on from their inputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import xarray as xr

# What these say of the values of the source need not hold for what is computed from them.
ABOUT_VALUES = frozenset(
    {
        "valid_min",
        "valid_max",
        "valid_range",
        "actual_range",
        "flag_values",
        "flag_masks",
        "flag_meanings",
    }
)
ABOUT_MEANING = frozenset({"standard_name", "long_name", "cell_methods"})
REFERENCES = ("grid_mapping", "cell_measures", "ancillary_variables")
TRACKING = "source_tracking_id"


def computed(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the attributes still true of values computed from those they describe."""
    return {key: value for key, value in attributes.items() if key not in ABOUT_VALUES}


def renewed(attributes: Mapping[str, Any], long_name: str, units: str | None) -> dict[str, Any]:
    """Return attributes for a quantity of another kind: new name and units, the rest kept.

    Units of None are not known and left out.
    """
    kept = {k: v for k, v in computed(attributes).items() if k not in ABOUT_MEANING | {"units"}}
    return {**kept, "long_name": long_name, **({} if units is None else {"units": units})}


def combined(datasets: Sequence[xr.Dataset]) -> dict[str, Any]:
    """Return the global attributes of the first dataset and the tracking ids of all.

    The ids are in `source_tracking_id`, separated by spaces, each once.
    """
    found: dict[str, None] = {}
    for dataset in datasets:
        given = dataset.attrs.get(TRACKING) or dataset.attrs.get("tracking_id", "")
        found.update(dict.fromkeys(str(given).split()))
    return {**datasets[0].attrs, **({TRACKING: " ".join(found)} if found else {})}


def with_references(result: xr.Dataset, source: xr.Dataset) -> xr.Dataset:
    """Return `result` with its variables naming their grid mapping and cell measures again.

    Arithmetic loses what variables refer to; a reference is restored when all it names is there.
    """
    restored = result.copy()
    for name in (n for n in result.data_vars if n in source.data_vars):
        for key in REFERENCES:
            text = source[name].encoding.get(key)
            if text and _named(text) <= set(map(str, result.variables)):
                restored[name].encoding[key] = text
            else:
                restored[name].encoding.pop(key, None)
    return restored


def _named(text: str) -> set[str]:
    """Return the variables an attribute refers to, such as `area: areacella` or `crs: x y`."""
    return {word.rstrip(":") for word in text.split()} - {"area", "volume"}
