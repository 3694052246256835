"""`compute run`: compute on this machine, without a server. Here are its options and exit codes."""

import gc
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import click

from compute_tasks.errors import (
    Cancelled,
    InvalidInput,
    MissingInput,
    SourceError,
    TaskError,
    TooLarge,
)

INVALID, UNREADABLE, LIMIT, UNEXPECTED, INTERRUPTED = 2, 3, 4, 5, 130
EXIT_CODES = {
    InvalidInput: INVALID,
    MissingInput: INVALID,
    SourceError: UNREADABLE,
    TooLarge: LIMIT,
    Cancelled: INTERRUPTED,
    TaskError: UNEXPECTED,
}


@click.command(
    epilog="Exit codes: 0 done; 2 the command or the request is wrong; 3 an input cannot be read; "
    "4 a limit is exceeded; 5 an unexpected error; 130 interrupted."
)
@click.argument("identifier", metavar="[PROCESS]", required=False)
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="FILE[,FILE...]:VARIABLE",
    help="Paths or addresses of the files of one input and the variable in them. Several files are "
    "joined along time first. Repeat it for each input of the process.",
)
@click.option(
    "--domain",
    "domains",
    multiple=True,
    metavar="AXIS=RANGE",
    help="Part of one axis: `lat=20,60` values, both ends included; `time=1990,1999-06` dates; "
    "`time=0:10` positions, the end left out; `lat=45` one point; `lat=,60` an open end.",
)
@click.option(
    "--param", "parameters", multiple=True, metavar="NAME=VALUE", help="E.g. `axes=lat|lon`."
)
@click.option(
    "-f",
    "--file",
    "request",
    type=click.File("rb"),
    help="JSON file (`-`: standard input) with a whole request instead: an object with the lists "
    "variable, domain and operation, and the identifier if it is not a workflow.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    help="File to write, or folder; a folder when there are several results. Default: a name made "
    "from process and period in the current folder.",
)
@click.option(
    "--format",
    type=click.Choice(["netcdf4", "netcdf3"]),
    default="netcdf4",
    show_default=True,
    help="Format of the result.",
)
@click.option(
    "--threads",
    type=click.IntRange(min=0),
    default=0,
    help="Threads to compute with; 0, the default: one for each CPU.",
)
@click.option(
    "--explain",
    is_flag=True,
    help="Say how each result would be computed, streamed or by xarray and dask, and why; compute "
    "nothing.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def run(
    identifier: str | None,
    inputs: tuple[str, ...],
    domains: tuple[str, ...],
    parameters: tuple[str, ...],
    request: BinaryIO | None,
    output: Path | None,
    format: str,
    threads: int,
    explain: bool,
    quiet: bool,
) -> None:
    """Run PROCESS on files, or the request of a file, and print the path of each result.

    \b
    compute run CDAT.subset --input a.nc,b.nc:tas --domain lat=20,60 -o europe.nc
    compute run CDAT.mean --input https://host/tas.nc:tas --param axes=time
    compute run -f request.json
    """
    if (request is None) == (identifier is None):
        raise click.UsageError("name a process, or a request with -f; `compute run --help`")
    if request and (inputs or domains or parameters):
        raise click.UsageError("--input, --domain and --param do not go with -f")
    try:
        local, request_options = _science()
        if request:
            workflow = request_options.from_file(request.read())
        else:
            workflow = request_options.from_options(identifier or "", inputs, domains, parameters)
        if explain:
            click.echo("\n".join(local.explain(workflow)))
            return
        paths = local.run(workflow, output, format, threads, report=not quiet)
    except click.ClickException:
        raise
    except KeyboardInterrupt:
        _fail("interrupted", INTERRUPTED)
    except TaskError as error:
        _fail(str(error), next(c for kind, c in EXIT_CODES.items() if isinstance(error, kind)))
    except Exception as error:
        _fail(f"unexpected error: {type(error).__name__}: {error}", UNEXPECTED)
    for path in paths:
        click.echo(path)


def _science() -> tuple[Any, Any]:
    """Return the modules that compute; --help and a wrong option need not wait for them."""
    # What is imported stays: searching it for garbage is in vain.
    gc.disable()
    from compute.cli import local, request_options  # noqa: PLC0415

    gc.freeze()
    gc.enable()
    return local, request_options


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"Error: {message}", err=True)
    raise SystemExit(code)
