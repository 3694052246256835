"""Running a workflow on this machine with the rights of whoever typed the command."""

import os
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from compute_tasks import run as engine
from compute_tasks.document import dump
from compute_tasks.model import Workflow
from compute_tasks.plan import Plan, build
from compute_tasks.sources.policy import SourcePolicy
from compute_wps.protocol.requests import Execute, Input
from compute_wps.protocol.xml import execute_document


def _kept_indexes() -> Path | None:
    """Return the folder in which indexes of files are kept; None for a user without a home."""
    try:
        return Path.home() / ".cache" / "esgf-compute" / "indexes"
    except RuntimeError:
        return None


EVERYTHING = SourcePolicy(
    roots=(Path("/"),), allowed_hosts=frozenset({"*"}), indexes=_kept_indexes()
)


def run(
    workflow: Workflow, output: Path | None, format: Any, threads: int, *, report: bool
) -> list[Path]:
    """Compute a workflow and return the files written, complete ones only.

    `output` is a file or folder, None the current folder. Raises TaskError and UsageError.
    """
    plan = build(workflow)
    folder, name = _place(plan, output)
    if not os.access(folder, os.W_OK):
        raise click.UsageError(f"the folder {folder.absolute()} cannot be written to")
    with (
        tempfile.TemporaryDirectory(prefix="compute-run-") as workspace,
        tempfile.TemporaryDirectory(prefix=".compute-run-", dir=folder) as unfinished,
        _reporter(report) as reporter,
    ):
        outputs = engine.run(
            plan,
            sources=EVERYTHING,
            workspace=Path(workspace),
            destination=Path(unfinished),
            uid=uuid.uuid4().hex,
            provenance=_provenance(workflow),
            format=format,
            threads=threads,
            report=reporter,
            cancelled=lambda: False,
        )
        return [o.path.replace(folder / (name or o.path.name)) for o in outputs]


def explain(workflow: Workflow) -> list[str]:
    """Return how the results of a workflow would be computed, a line each; raises TaskError."""
    plan = build(workflow)
    with tempfile.TemporaryDirectory(prefix="compute-run-") as workspace:
        lines, estimate = engine.explain(plan, sources=EVERYTHING, workspace=Path(workspace))
    sizes = estimate.input_bytes, estimate.output_bytes
    return [*lines, "reads {:,} bytes of numbers, writes {:,}".format(*sizes)]


def _place(plan: Plan, output: Path | None) -> tuple[Path, str | None]:
    """Return the folder to write to and the file's name, None for names made from the request."""
    if output is None:
        return Path(), None
    several = len(plan.outputs) > 1
    if output.is_dir() or (several and not output.suffix and not output.exists()):
        output.mkdir(exist_ok=True)
        return output, None
    if several:
        raise click.UsageError(f"there are {len(plan.outputs)} results; -o must name a folder")
    if not output.parent.is_dir():
        raise click.UsageError(f"-o {output}: there is no folder {output.parent}")
    return output.parent, output.name


def _provenance(workflow: Workflow) -> dict[str, str]:
    """Return what each result records; the document can be sent to a server as it is."""
    inputs = tuple(
        Input(name, data=text, mime_type="application/json")
        for name, text in dump(workflow).items()
    )
    return {
        "wps_identifier": workflow.identifier,
        "wps_server": "local",
        "wps_document": execute_document(Execute(workflow.identifier, inputs)),
    }


@contextmanager
def _reporter(wanted: bool) -> Iterator[Callable[[int, str], None]]:
    """Give a function that shows percent and message on stderr: a bar on a terminal, else lines."""
    if not wanted:
        yield lambda percent, text: None
    elif not sys.stderr.isatty():
        yield lambda percent, text: click.echo(f"{percent:3d}% {text}", err=True)
    else:
        # Here alone, since it takes longer to load than to print a line.
        from compute.cli.bar import bar  # noqa: PLC0415

        with bar() as update:
            yield update
