"""Names of the benchmarks' data, known without reading or making any of it."""

from pathlib import Path

FIRST_YEAR = 1990
TAS_YEARS = 5
TA_YEARS = 10
"""Years in one file of daily `tas` and of monthly `ta`."""


def tas_files(folder: Path, years: int, layout: str) -> list[Path]:
    """Return the files of that many years of daily `tas` in a layout of `data.LAYOUTS`."""
    return [folder / f"tas_day_{layout}_{period}.nc" for period in periods(years, TAS_YEARS)]


def ta_files(folder: Path, years: int) -> list[Path]:
    """Return the files of that many years of monthly `ta` on 19 levels."""
    return [folder / f"ta_mon_{period}.nc" for period in periods(years, TA_YEARS)]


def periods(years: int, length: int) -> list[str]:
    """Return first and last year of each file, such as `1990-1994`."""
    firsts = range(FIRST_YEAR, FIRST_YEAR + years, length)
    end = FIRST_YEAR + years - 1
    return [f"{first}-{min(first + length - 1, end)}" for first in firsts]
