"""The cases: what is asked of us and of each peer, and the bars."""

from collections.abc import Sequence
from pathlib import Path

from compute_tasks.benchmarks.case import MEGABYTE, Bars, Case, Json
from compute_tasks.benchmarks.files import FIRST_YEAR, TAS_YEARS, ta_files, tas_files

BOX = {"lat": (30, 60), "lon": (0, 60)}
"""Region of the subset, degrees."""
TROPICS = (-30, 30)


def cases(folder: Path, years: int) -> list[Case]:
    """Return every case on the data of that many years."""
    deflated = tas_files(folder, years, "deflated")
    return [
        *_reductions(deflated),
        *_selections(deflated, years),
        *_anomalies(ta_files(folder, ta_years(years))),
        *_regridding(deflated[0], folder, min(years, TAS_YEARS)),
        *_uncompressed(folder, years),
        _workflow(deflated, years),
    ]


def ta_years(years: int) -> int:
    """Return the years of monthly data beside that many years of daily data."""
    return max(1, 2 * years // 3)


def _merged(files: Sequence[Path]) -> tuple[str, ...]:
    return ("-mergetime", "[", *map(str, files), "]")


def _area_mean(name: str, title: str, files: Sequence[Path], bars: Bars) -> Case:
    operations = ({"name": "CDAT.average"},)
    cdo = ("-fldmean", *_merged(files))
    # CDO takes cell edges for great circles, so that its areas differ by up to 8e-5.
    return Case(name, title, tuple(files), operations, cdo, bars, tolerance=1e-3)


def _time_mean(
    name: str, title: str, files: Sequence[Path], bars: Bars, nco: tuple[str, ...] = ()
) -> Case:
    operations = ({"name": "CDAT.mean", "axes": "time"},)
    cdo = ("-timmean", *_merged(files))
    return Case(name, title, tuple(files), operations, cdo, bars, tolerance=1e-4, nco=nco)


def _reductions(files: list[Path]) -> list[Case]:
    paths = tuple(map(str, files))
    groups = ({"name": "CDAT.temporal_mean", "freq": "season"},)
    return [
        _area_mean("area-mean", "area-weighted mean series", files, Bars(7, 3.5, 1.35)),
        _time_mean("time-mean", "mean over time", files, Bars(6.5, 3.5, 1.4), ("ncra", *paths)),
        Case(
            "time-max",
            "max over time",
            tuple(files),
            ({"name": "CDAT.max", "axes": "time"},),
            ("-timmax", *_merged(files)),
            Bars(6.5, 3.5, 1.4),
            tolerance=0,
            nco=("ncra", "-y", "max", *paths),
        ),
        Case(
            "seasons",
            "seasonal means",
            tuple(files),
            groups,
            ("-seasmean", *_merged(files)),
            Bars(6, 3, 1.5),
            tolerance=1e-4,
        ),
        Case(
            "time-std",
            "std over time",
            tuple(files),
            ({"name": "CDAT.std", "axes": "time"},),
            ("-timstd", *_merged(files)),
            Bars(6, 3, 1.5),
            tolerance=1e-4,
        ),
    ]


def _period(first: int, count: int) -> tuple[Json, slice, str]:
    """Return years from the `first` of the data: of our domain, as steps, of CDO's seldate."""
    start, end = FIRST_YEAR + first, FIRST_YEAR + first + count - 1
    ours = {"start": str(start), "end": str(end), "crs": "timestamps"}
    steps = slice(365 * first, 365 * (first + count))
    return ours, steps, f"-seldate,{start}-01-01,{end}-12-31"


def _selections(files: list[Path], years: int) -> list[Case]:
    (south, north), (west, east) = BOX["lat"], BOX["lon"]
    time, steps, dates = _period(years // 3, max(1, years // 3))
    nco_box = ("-d", f"lat,{south}.,{north}.", "-d", f"lon,{west}.,{east}.")
    return [
        Case(
            "subset",
            "aggregate, region and years, deflated",
            tuple(files),
            ({"name": "CDAT.subset", "domain": "d"},),
            (f"-sellonlatbox,{west},{east},{south},{north}", dates, *_merged(files)),
            Bars(5, floor=1.7, warm_nco=4, cold_nco=1.4),
            tolerance=0,
            nco=(
                *("ncrcat", "-4", "-L", "1"),
                *("-d", f"time,{steps.start}.,{steps.stop}."),
                *nco_box,
                *map(str, files),
            ),
            domain={
                "time": time,
                "lat": {"start": south, "end": north},
                "lon": {"start": west, "end": east},
            },
            steps=steps,
        )
    ]


def _workflow(files: list[Path], years: int) -> Case:
    time, steps, dates = _period(0, max(1, 2 * years // 3))
    south, north = TROPICS
    return Case(
        "workflow",
        "aggregate -> subset -> mean over time",
        tuple(files),
        (
            {"name": "CDAT.subset", "domain": "d"},
            {"name": "CDAT.mean", "axes": "time"},
        ),
        ("-timmean", f"-sellonlatbox,0,360,{south},{north}", dates, *_merged(files)),
        Bars(6, 3),
        tolerance=1e-4,
        domain={"time": time, "lat": {"start": south, "end": north}},
        steps=steps,
    )


def _anomalies(files: list[Path]) -> list[Case]:
    operations = ({"name": "CDAT.anomaly"},)
    merged = ("[", "-mergetime", *map(str, files), "]")
    inner = ("-ymonsub", *merged, "-ymonmean", *merged)
    return [
        Case(
            "anomaly-plain",
            "monthly anomaly of 3-D ta, uncompressed",
            tuple(files),
            operations,
            ("-f", "nc2", *inner),
            Bars(4.5, 2.7, 2.2, peak=1000 * MEGABYTE),
            tolerance=1e-4,
            variable="ta",
            format="netcdf3",
            compresses=False,
        ),
        Case(
            "anomaly",
            "monthly anomaly of 3-D ta, deflated",
            tuple(files),
            operations,
            ("-f", "nc4", "-z", "zip_1", *inner),
            Bars(14, 9, 1.3, peak=1000 * MEGABYTE),
            tolerance=1e-4,
            variable="ta",
        ),
    ]


def _regridding(file: Path, folder: Path, years: int) -> list[Case]:
    """Return the cases on the first file, which has no more than its five years."""
    deflated = ("-f", "nc4", "-z", "zip_1")
    plain = ("-f", "nc2")
    wanted = (
        ("regrid-1", "conservative 1x1, deflated", 1.0, "netcdf4", deflated, Bars(8, 4.5, 1.8)),
        (
            "regrid-1-plain",
            "conservative 1x1, uncompressed",
            1.0,
            "netcdf3",
            plain,
            Bars(2.3, 1.2, 2.4),
        ),
        (
            "regrid-2.5",
            "conservative 2.5x2.5, deflated",
            2.5,
            "netcdf4",
            deflated,
            Bars(5.5, 2.2, 2.0),
        ),
    )
    return [
        Case(
            name,
            f"{title} ({years} years)",
            (file,),
            (
                {
                    "name": "CDAT.regrid",
                    "grid": f"uniform~{step:g}x{step:g}",
                    "method": "conservative",
                },
            ),
            (*form, f"-remapcon,{grid_file(folder, step)}", str(file)),
            bars,
            tolerance=3e-4,
            format=format,
            grid=step,
            compresses=format == "netcdf4",
        )
        for name, title, step, format, form, bars in wanted
    ]


def grid_file(folder: Path, step: float) -> Path:
    """Return the path of CDO's description of a uniform grid."""
    return folder / f"grid-{step:g}.txt"


def grid_text(step: float) -> str:
    """Return CDO's description of the grid we call `uniform~STEPxSTEP`."""
    return "\n".join(
        [
            "gridtype = lonlat",
            f"xsize = {360 / step:g}",
            f"ysize = {180 / step:g}",
            f"xfirst = {step / 2:g}",
            f"xinc = {step:g}",
            f"yfirst = {step / 2 - 90:g}",
            f"yinc = {step:g}",
            "",
        ]
    )


def _uncompressed(folder: Path, years: int) -> list[Case]:
    result = []
    for layout, title in (("contiguous", "NetCDF-4"), ("netcdf3", "NetCDF-3")):
        files = tas_files(folder, years, layout)
        result += [
            _area_mean(
                f"area-mean-{layout}", f"area mean, uncompressed {title}", files, Bars(5, 1.6, 2.2)
            ),
            _time_mean(
                f"time-mean-{layout}",
                f"mean over time, uncompressed {title}",
                files,
                Bars(3.5, 1.2, 2.2),
            ),
        ]
    return result
