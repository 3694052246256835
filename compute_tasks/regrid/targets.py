"""Target grids by name: `uniform~DYxDX`, `gaussian~N`, `T21` to `T85`, and those of domains.

Rows run from south to north. Columns of a uniform grid start at DX/2, those of a Gaussian one at 0.
"""

import math
from functools import lru_cache

import numpy as np

from compute_tasks.cf.axes import LATITUDE, LONGITUDE
from compute_tasks.errors import InvalidInput
from compute_tasks.jsontext import shown
from compute_tasks.model import CRS, Dimension, Domain
from compute_tasks.regrid.grids import CIRCLE, Axis, Grid, check_size

FORMS = "uniform~DYxDX, gaussian~N, T21, T42, T63, T85"
TRUNCATIONS = {"t21": 32, "t42": 64, "t63": 96, "t85": 128}
"""Latitudes of the Gaussian grid that goes with a spectral truncation."""
WHOLE = 1e-6


def is_named(text: str) -> bool:
    """Tell whether a text means a grid by its form, rather than by a name in the request."""
    word = text.strip().lower()
    return "~" in word or word in TRUNCATIONS


@lru_cache(maxsize=16)
def named(text: str) -> Grid:
    """Return the grid such as `uniform~1x1.25`, `gaussian~32` or `T42`.

    Raises InvalidInput naming the text and the forms, TooLarge for more than MAX_CELLS cells.
    """
    word = text.strip().lower()
    if word in TRUNCATIONS:
        return _gaussian(TRUNCATIONS[word])
    kind, _, size = word.partition("~")
    try:
        if kind == "gaussian":
            rows = _rows(size)
            check_size((rows, 2 * rows), text)
            return _gaussian(rows)
        if kind == "uniform":
            steps = _steps(size)
            shape = _count(180.0, steps[0]), _count(CIRCLE, steps[1])
            check_size(shape, text)
            return Grid(_even(-90.0, steps[0], shape[0]), _even(0.0, steps[1], shape[1]))
    except ValueError as error:
        raise InvalidInput(f"grid {shown(text)}: {error}", locator="operation") from error
    raise InvalidInput(f"grid {shown(text)} is unknown; give one of {FORMS}", locator="operation")


def of_domain(domain: Domain) -> Grid:
    """Return the grid whose centres are start, start + step, ... up to end, in degrees.

    Raises InvalidInput if the domain has no ranges of values for latitude and longitude.
    """
    lat, lon = (
        _range(domain, words) for words in (LATITUDE.words | {"y"}, LONGITUDE.words | {"x"})
    )
    check_size((lat.centres.size, lon.centres.size), domain.name)
    cells = np.clip(lat.cells, -90.0, 90.0)
    if (cells[:, 0] >= cells[:, 1]).any() or (np.abs(lat.centres) > 90).any():
        raise _no_grid(domain, "latitudes lie in -90 to 90")
    return Grid(Axis(lat.centres, cells), lon)


def _rows(text: str) -> int:
    if not text.isdecimal() or int(text) < 2:
        raise ValueError("N of gaussian~N is the number of latitudes, 2 or more, such as 32")
    return int(text)


def _steps(text: str) -> tuple[float, float]:
    try:
        high, wide = (float(part) for part in text.split("x"))
    except ValueError:
        high = wide = math.nan
    if not (0 < high <= 90 and 0 < wide <= 180):
        raise ValueError("DY and DX of uniform~DYxDX are degrees, such as uniform~1x1.25")
    return high, wide


def _count(extent: float, step: float) -> int:
    count = extent / step
    if abs(count - round(count)) > WHOLE * count:
        raise ValueError(f"{extent:g} degrees are no whole number of steps of {step:g}")
    return round(count)


def _even(start: float, step: float, count: int) -> Axis:
    edges = start + step * np.arange(count + 1)
    return Axis((edges[:-1] + edges[1:]) / 2, np.stack([edges[:-1], edges[1:]], axis=1))


def _gaussian(rows: int) -> Grid:
    """Return the Gaussian grid of rows x 2 rows; a row's cells have the area of its weight."""
    sines, weights = np.polynomial.legendre.leggauss(rows)
    edges = np.clip(np.concatenate([[-1.0], np.cumsum(weights) - 1.0]), -1.0, 1.0)
    edges[-1] = 1.0
    edges = np.degrees(np.arcsin(edges))
    lat = Axis(np.degrees(np.arcsin(sines)), np.stack([edges[:-1], edges[1:]], axis=1))
    step = CIRCLE / (2 * rows)
    centres = step * np.arange(2 * rows)
    return Grid(lat, Axis(centres, np.stack([centres - step / 2, centres + step / 2], axis=1)))


def _range(domain: Domain, words: frozenset[str]) -> Axis:
    found = [d for d in domain.dimensions if d.name.strip().lower() in words]
    if len(found) != 1 or found[0].crs is not CRS.VALUES:
        raise _no_grid(domain, f"it needs one range of values for {sorted(words)[0]}")
    start, end, step = _ends(domain, found[0])
    centres = start + math.copysign(step, end - start) * np.arange(int(abs(end - start) / step) + 1)
    return Axis(centres, np.stack([centres - step / 2, centres + step / 2], axis=1))


def _ends(domain: Domain, dimension: Dimension) -> tuple[float, float, int]:
    """Return start, end and step; longitudes run eastwards and not further than round the globe."""
    if dimension.start is None or dimension.end is None:
        raise _no_grid(domain, f"{dimension.name} needs start and end")
    start, end, step = float(dimension.start), float(dimension.end), dimension.step
    check_size((int(min(abs(end - start) / step, 1e15)) + 1, 1), domain.name)
    if dimension.name.strip().lower() in LONGITUDE.words | {"x"}:
        end += CIRCLE * max(0, math.ceil((start - end) / CIRCLE))
        end = min(end, start + CIRCLE - step)
    return start, end, step


def _no_grid(domain: Domain, text: str) -> InvalidInput:
    return InvalidInput(f"domain {shown(domain.name)} is no grid: {text}", locator="operation")
