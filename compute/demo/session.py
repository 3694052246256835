"""One client session: the request sent with OWSLib, its progress shown, its results opened."""

import json
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import xarray as xr
from owslib.wps import WebProcessingService, WPSExecution
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from compute.demo.request import IDENTIFIER, Request

POLL_SECONDS = 0.2

Show = Callable[[int, str], None]


class JobFailedError(Exception):
    """The service did not compute the request; the text is the service's."""


@dataclass(frozen=True, slots=True)
class Result:
    """One output file: the operation it comes from, its variable and its two addresses."""

    operation: str
    variable: str
    opendap: str
    http: str


def submit(url: str, request: Request) -> WPSExecution:
    """Send the request to be run while we wait for it."""
    service = WebProcessingService(url, skip_caps=True)
    return service.execute(
        IDENTIFIER, request.inputs(), output=[("output", False, "application/json")]
    )


def follow(execution: WPSExecution, console: Console) -> list[Result]:
    """Poll the status document to the end, with a progress bar; raises JobFailedError."""
    with _bar(console) as show:
        while not execution.isComplete():
            execution.checkStatus(sleepSecs=POLL_SECONDS)
            show(execution.percentCompleted or 0, execution.statusMessage or "")
        show(100, "done")
    if not execution.isSucceded():
        texts = "; ".join(error.text for error in execution.errors) or execution.status
        raise JobFailedError(f"the service answered: {texts}")
    return [_result(entry) for entry in json.loads(execution.processOutputs[0].data[0])]


def open_result(result: Result) -> xr.DataArray:
    """Read the variable of the result over OPeNDAP, times decoded."""
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    with xr.open_dataset(result.opendap, decode_times=coder) as data:
        return data[result.variable].load()


def download_size(result: Result) -> int:
    """Return the bytes the result has over HTTP."""
    with urllib.request.urlopen(result.http) as answer:  # noqa: S310
        return len(answer.read())


def _result(entry: dict[str, str]) -> Result:
    variable, name = entry["id"].split("|")
    address = entry["uri"]
    return Result(
        operation=name.rsplit("-", 1)[0],
        variable=variable,
        opendap=address,
        http=address.replace("/dodsC/", "/fileServer/"),
    )


@contextmanager
def _bar(console: Console) -> Iterator[Show]:
    columns = (
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.description}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("accepted", total=100)
        yield lambda percent, message: progress.update(task, completed=percent, description=message)
