"""Points of a time axis sorted into months, seasons, years or days.

An occurrence is one period in one year (the winter of 2001); a group holds one occurrence (means of
a series) or the same period of all years (a climatology).
"""

from dataclasses import dataclass

import numpy as np

from compute_tasks.errors import InvalidInput
from compute_tasks.operators.calendar_periods import Frequency, Key, span_of
from compute_tasks.operators.time_cells import TimeCells

PARTS = 10_000
"""More than the parts of a year are numbered to."""
LONGEST_DAYS = {
    Frequency.YEAR: 366,
    Frequency.SEASON: 92,
    Frequency.MONTH: 31,
    Frequency.DAY: 1,
}


@dataclass(frozen=True, slots=True)
class Occurrences:
    """The periods that points of a time axis lie in, in order of time.

    `codes` says for each point which occurrence it lies in; `starts` and `ends` are those of the
    calendar, `lower` and `upper` those of the points there, all in seconds. `complete` marks the
    occurrences that points cover from start to end.
    """

    keys: tuple[Key, ...]
    codes: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    complete: np.ndarray


@dataclass(frozen=True, slots=True)
class Groups:
    """The group of each point (`codes`, from 0), and for each group a date and its bounds."""

    codes: np.ndarray
    dates: np.ndarray
    bounds: np.ndarray


def occurrences(cells: TimeCells, frequency: Frequency) -> Occurrences:
    """Return the periods the points lie in; InvalidInput as `check_coarseness`."""
    check_coarseness(cells, frequency)
    keys = cells.keys(frequency)
    _, first, codes = np.unique(
        keys[:, 0] * PARTS + keys[:, 1], return_index=True, return_inverse=True
    )
    found = tuple((year, part) for year, part in keys[first].tolist())
    spans = [span_of(key, frequency, cells.calendar) for key in found]
    starts, ends = (cells.calendar.seconds([span[side] for span in spans]) for side in (0, 1))
    lengths = cells.upper - cells.lower
    covered = np.bincount(codes, lengths)
    shortest = np.full(len(found), np.inf)
    np.minimum.at(shortest, codes, lengths)
    lower, upper = np.full(len(found), np.inf), np.full(len(found), -np.inf)
    np.minimum.at(lower, codes, cells.lower)
    np.maximum.at(upper, codes, cells.upper)
    complete = (covered > 0) & (covered >= ends - starts - shortest / 2)
    return Occurrences(found, codes, starts, ends, lower, upper, complete)


def check_coarseness(cells: TimeCells, frequency: Frequency) -> None:
    """Raise InvalidInput with locator `freq` if a point stands for more than one such period."""
    if not cells.bounded:
        return
    days = cells.lengths
    longest = int(np.argmax(days))
    if days[longest] > 1.01 * LONGEST_DAYS[frequency]:
        raise InvalidInput(
            f"the value of {cells.date(longest).isoformat()} stands for {days[longest]:g} days, "
            f"which is more than a {frequency}",
            locator="freq",
        )


def one_each(found: Occurrences, cells: TimeCells) -> Groups:
    """Return each occurrence as a group, dated at its middle.

    The bounds are those of the calendar, and of an incomplete occurrence what there is of it.
    """
    held = np.column_stack([np.maximum(found.lower, found.starts),
                            np.minimum(found.upper, found.ends)])  # fmt: skip
    whole = found.complete | (held[:, 1] <= held[:, 0])
    bounds = np.where(whole[:, None], np.column_stack([found.starts, found.ends]), held)
    return _dated(found.codes, bounds.mean(axis=1), bounds, cells)


def across_years(found: Occurrences, cells: TimeCells) -> Groups:
    """Return the same period of all years as a group, from the first start to the last end.

    Groups are dated in the first year that has all of them and then are in the order of the
    calendar; where no year has all, each is dated in its own first year.
    """
    years, parts = np.array(found.keys).T
    known, members = np.unique(parts, return_inverse=True)
    per_year = {int(year): np.flatnonzero(years == year) for year in np.unique(years)}
    whole = [places for places in per_year.values() if len(places) == len(known)]
    first = whole[0] if whole else np.unique(parts, return_index=True)[1]
    middles = (found.starts[first] + found.ends[first]) / 2
    order = np.argsort(middles, kind="stable")
    ranks = np.argsort(order, kind="stable")[members]
    starts, ends = np.full(len(known), np.inf), np.full(len(known), -np.inf)
    np.minimum.at(starts, ranks, found.starts)
    np.maximum.at(ends, ranks, found.ends)
    bounds = np.column_stack([starts, ends])
    return _dated(ranks[found.codes], middles[order], bounds, cells)


def _dated(codes: np.ndarray, middles: np.ndarray, bounds: np.ndarray, cells: TimeCells) -> Groups:
    return Groups(codes, cells.calendar.dates(middles), cells.calendar.dates(bounds))
