"""`compute demo`: the whole way on this machine, from an archive to a checked plot."""

from collections.abc import Mapping
from pathlib import Path

import click
import xarray as xr
from rich.console import Console

from compute.demo.archive import make_archive
from compute.demo.check import DifferenceError, compare, direct
from compute.demo.request import Request, archive_request, own_request
from compute.demo.server import ServiceError, service
from compute.demo.session import JobFailedError, Result, download_size, follow, open_result, submit

Answers = Mapping[str, tuple[Result, xr.DataArray]]


@click.command()
@click.option("--data", help="A NetCDF file or OPeNDAP address of your own.")
@click.option("--variable", help="The variable of that file to average.")
@click.option(
    "--data-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(".demo"),
    show_default=True,
    help="Folder of the made-up archive, the results and the plot.",
)
def demo(data: str | None, variable: str | None, data_dir: Path) -> None:
    """Show the whole way: archive, service, request, progress, result, plot, check.

    Starts a service of its own, asks it with OWSLib for two means in one workflow, opens the
    results over OPeNDAP, compares them with xarray reading the files itself, saves a plot and stops
    the service. Ends with exit code 1 when anything is off.
    """
    if bool(data) != bool(variable):
        raise click.UsageError("--data and --variable belong together: give both or none")
    console = Console(highlight=False)
    try:
        request, roots = _request(console, data, variable, data_dir.absolute())
        _show(console, request, roots, data_dir.absolute())
    except (ServiceError, JobFailedError, DifferenceError, ValueError, OSError) as error:
        raise click.ClickException(str(error)) from None


def _request(
    console: Console, data: str | None, variable: str | None, data_dir: Path
) -> tuple[Request, Path]:
    if data and variable:
        if "://" in data:
            return own_request(data, variable), data_dir / "archive"
        file = Path(data).expanduser().resolve()
        if not file.is_file():
            raise click.UsageError(f"--data: there is no file {data}")
        return own_request(str(file), variable), file.parent
    with console.status("Making a small CMIP6-like archive ..."):
        files = make_archive(data_dir / "archive")
    _say(console, "Archive", f"{len(files)} files in {_short(data_dir / 'archive')}")
    return archive_request(files), data_dir / "archive"


def _show(console: Console, request: Request, roots: Path, data_dir: Path) -> None:
    starting = console.status("Starting web, worker and Redis ...")
    starting.start()
    try:
        with service(data_dir, {"COMPUTE_DATA_ROOTS": str(roots)}) as running:
            starting.stop()
            _say(console, "Service", running.wps)
            _say(console, "Request", _sentence(request))
            results = follow(submit(running.wps, request), console)
            answers = {result.operation: (result, open_result(result)) for result in results}
            _list(console, answers)
    finally:
        starting.stop()
    with console.status("Computing the same with xarray alone ..."):
        expected = direct(request)
        worst = max(compare(expected[name], answers[name][1], name) for name in request.means)
    _say(
        console, "Check", f"[green]equals xarray's own numbers[/] (largest difference {worst:.0e})"
    )
    picture = data_dir / "demo.png"
    _draw(request, answers, picture)
    _say(console, "Plot", _short(picture))
    again = f"compute serve --data-dir {_short(data_dir)}"
    _say(
        console, "", f"[dim]The results stay in {_short(data_dir)}; to serve them again: {again}[/]"
    )


def _list(console: Console, answers: Answers) -> None:
    for name, (result, array) in answers.items():
        shape = " x ".join(f"{size} {dim}" for dim, size in array.sizes.items()) or "one number"
        low, mean, high = float(array.min()), float(array.mean()), float(array.max())
        units = array.attrs.get("units", "")
        _say(console, name, f"{shape}: {low:.6g} .. {mean:.6g} .. {high:.6g} {units}")
        _say(console, "", f"[dim]OPeNDAP[/] {result.opendap}")
        _say(
            console, "", f"[dim]HTTP   [/] {result.http} [dim]({download_size(result):,} bytes)[/]"
        )


def _draw(request: Request, answers: Answers, path: Path) -> None:
    try:
        from compute.demo.plot import draw  # noqa: PLC0415  (matplotlib is optional)
    except ImportError:
        raise click.ClickException(
            "the plot needs matplotlib: pip install 'esgf-compute[demo]'"
        ) from None
    arrays = {name: array for name, (_, array) in sorted(answers.items())}
    name = next(iter(arrays.values())).attrs.get("long_name", request.variable)
    draw(arrays, f"{name}: {request.title}", path)


def _sentence(request: Request) -> str:
    steps = [step["name"].removeprefix("CDAT.") for step in request.operations[:-1]]
    return f"{' > '.join(dict.fromkeys(steps))} of {request.variable}, {request.title}"


def _say(console: Console, name: str, text: str) -> None:
    console.print(f"[bold cyan]{name:<8}[/] {text}", soft_wrap=True)


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
