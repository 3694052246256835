"""The mean year a series is compared with: its own over a period, or one that is given."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr

from compute_tasks.cf import units
from compute_tasks.cf.axes import find_axis, find_dimension
from compute_tasks.cf.grids import match
from compute_tasks.cf.times import Period, calendar_of, parse_period
from compute_tasks.errors import InvalidInput
from compute_tasks.operators.calendar_periods import Frequency, keys_of
from compute_tasks.operators.group_sums import group_means
from compute_tasks.operators.pairing import pairs
from compute_tasks.operators.time_cells import TimeCells

ADVERBS = {Frequency.MONTH: "monthly", Frequency.SEASON: "seasonal", Frequency.DAY: "daily"}
NORMALS = "normals"


@dataclass(frozen=True, slots=True)
class Reference:
    """Mean years of variables on their own axes, and which of its points fit a time."""

    normals: Mapping[str, xr.Variable]
    places: np.ndarray
    description: str


def of_series(
    series: xr.Dataset,
    cells: TimeCells,
    freq: Frequency,
    period: tuple[str | None, str | None],
    weights: np.ndarray,
) -> Reference:
    """Return the weighted mean year of the series over a period given by partial timestamps.

    Raises InvalidInput with locator `start` or `end` for a period that does not fit the series.
    """
    chosen = _positions(cells, *period)
    parts = cells.keys(freq)[:, 1]
    known, codes = np.unique(parts[chosen], return_inverse=True)
    base = series.isel({cells.dimension: chosen})
    normals = {
        str(name): group_means(data, cells.dimension, codes, weights[chosen])
        for name, data in base.data_vars.items()
        if cells.dimension in data.dims
    }
    ends = np.arange(parts.size)[chosen][[0, -1]]
    first, last = (cells.date(place).strftime("%Y-%m-%d") for place in ends)
    text = f"against the {ADVERBS[freq]} means from {first} to {last}"
    return Reference(normals, _places(known, parts, cells, freq, "start"), text)


def _positions(cells: TimeCells, start: str | None, end: str | None) -> slice | np.ndarray:
    """Return the points of the reference period, as a slice where they follow each other."""
    seconds = cells.points
    low, high = (_bound(text, cells, name) for name, text in (("start", start), ("end", end)))
    inside = np.flatnonzero(
        (seconds >= (-np.inf if low is None else low.lower))
        & (seconds <= (np.inf if high is None else high.upper))
    )
    if not inside.size:
        first, last = (cells.date(place).isoformat() for place in (0, -1))
        raise InvalidInput(
            f"no time lies between {start or 'the beginning'} and {end or 'the end'}; the series "
            f"runs from {first} to {last}",
            locator="end" if start is None else "start",
        )
    whole = inside[-1] - inside[0] + 1 == inside.size
    return slice(int(inside[0]), int(inside[-1]) + 1) if whole else inside


def _bound(text: str | None, cells: TimeCells, name: str) -> Period | None:
    if text is None:
        return None
    try:
        return parse_period(text, cells.calendar)
    except ValueError as error:
        raise InvalidInput(str(error), locator=name) from error


def _places(
    known: np.ndarray, parts: np.ndarray, cells: TimeCells, freq: Frequency, locator: str
) -> np.ndarray:
    """Return for each time which of the known parts of the year it lies in."""
    places = np.searchsorted(known, parts).clip(max=known.size - 1)
    lacking = np.flatnonzero(known[places] != parts)
    if lacking.size:
        raise InvalidInput(
            f"the reference has no mean for the {freq} of {cells.date(lacking[0]).isoformat()}",
            locator=locator,
        )
    return places


def of_climatology(
    series: xr.Dataset, other: xr.Dataset, cells: TimeCells, freq: Frequency
) -> Reference:
    """Return the means of a climatology, found by its dates, since its bounds span many years.

    Raises InvalidInput with locator `operation` for one that does not fit the series.
    """
    axis = other[find_axis(other, "time")]
    dates, calendar = np.atleast_1d(axis.values), calendar_of(axis.variable)
    there = keys_of(calendar.seconds(dates), freq, calendar)[:, 1]
    known, first, counts = np.unique(there, return_index=True, return_counts=True)
    if counts.max() > 1:
        repeated = dates[first[np.argmax(counts)]].isoformat()
        raise InvalidInput(
            f"the second input has {counts.max()} values for the {freq} of {repeated}; give a "
            f"climatology with one for each {freq}, e.g. by CDAT.climatology",
            locator="operation",
        )
    parts = cells.keys(freq)[:, 1]
    places = first[_places(known, parts, cells, freq, "operation")]
    text = f"against given {ADVERBS[freq]} means"
    return Reference(_matching(series, other, cells.dimension), places, text)


def _matching(series: xr.Dataset, other: xr.Dataset, dimension: str) -> dict[str, xr.Variable]:
    along = find_dimension(other, "time")
    bare = other.drop_vars([n for n, c in other.coords.items() if along in c.dims])
    bare = bare.rename({along: NORMALS})
    matched = match(series, bare, "the first input", "the climatology", locator="operation")
    normals = {}
    for name, there in pairs(series, matched).items():
        one, two = series[name], matched[there]
        wanted = tuple(NORMALS if d == dimension else str(d) for d in one.dims)
        if dimension not in one.dims:
            continue
        if set(two.dims) != set(wanted):
            raise InvalidInput(
                f"the climatology of {name} has the axes {', '.join(map(str, two.dims))}; it needs "
                f"time and {', '.join(d for d in wanted if d != NORMALS)}",
                locator="operation",
            )
        if not units.same(one.attrs.get("units"), two.attrs.get("units")):
            raise InvalidInput(
                f"units differ: {name} has {one.attrs['units']!r}, the climatology "
                f"{two.attrs['units']!r}",
                locator="operation",
            )
        normals[name] = xr.Variable(one.dims, two.variable.transpose(*wanted).data)
    return normals
