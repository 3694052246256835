"""Records on the terminal: tables for people, YAML or JSON for programs."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click
import yaml
from rich.console import Console
from rich.table import Table

from compute.provisioner.kinds import Kind

WIDEST = 10_000

Format = Literal["table", "json", "yaml"]
Record = dict[str, Any]

format_option = click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="How to show it; the YAML is what `compute apply` reads.",
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its head and what it shows of a record.

    A column that is `ticking` changes with the time alone, one that is `extra` is left out of a
    live table for which the terminal is too narrow.
    """

    head: str
    show: Callable[[Record], str]
    right: bool = False
    ticking: bool = False
    extra: bool = False


def console(width: int | None = None) -> Console:
    """Return the terminal, or whatever takes its place, without decoration of our texts."""
    return Console(highlight=False, markup=False, width=width)


def print_table(made: Table) -> None:
    """Print a table as wide as it is; nothing of it is left out."""
    console(WIDEST).print(made)


def table(columns: Sequence[Column], rows: Iterable[Record]) -> Table:
    """Return a table of records."""
    made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        made.add_column(column.head, justify="right" if column.right else "left", no_wrap=True)
    for row in rows:
        made.add_row(*(column.show(row) for column in columns))
    return made


def show_list(kind: Kind, columns: Sequence[Column], rows: Sequence[Record], form: Format) -> None:
    """Show records on standard output."""
    if form == "table":
        if rows:
            print_table(table(columns, rows))
        else:
            click.echo(f"no {kind.plural}", err=True)
        return
    _print_documents([kind.document(row) for row in rows], form, several=True)


def show_one(kind: Kind, row: Record, form: Format, texts: Iterable[tuple[str, str]]) -> None:
    """Show one record; as a table it is names and texts."""
    if form == "table":
        made = Table(box=None, pad_edge=False, show_header=False, padding=(0, 3, 0, 0))
        for name, text in texts:
            made.add_row(name, text)
        print_table(made)
        return
    _print_documents([kind.document(row)], form, several=False)


def _print_documents(documents: list[Record], form: Format, *, several: bool) -> None:
    if form == "json":
        click.echo(json.dumps(documents if several else documents[0], indent=2))
    elif documents:
        click.echo(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), nl=False)
