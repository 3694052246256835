"""Looking at a list until Ctrl-C: a table that changes, or, for pipes and programs, each change."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import click
import yaml
from rich.live import Live

from compute.cli.client import NoAnswerError
from compute.cli.output import WIDEST, Column, Format, console, table
from compute.provisioner.kinds import Kind

WATCH_SECONDS = 1.0

Record = dict[str, Any]


def watch(
    kind: Kind, columns: Sequence[Column], fetch: Callable[[], list[Record]], form: Format
) -> None:
    """Show records until Ctrl-C: as a table that changes, or, for programs, each change."""
    with contextlib.suppress(KeyboardInterrupt):
        if form == "table" and console().is_terminal:
            _watch_table(columns, fetch)
        else:
            _watch_changes(kind, columns, fetch, form)


def _watch_table(columns: Sequence[Column], fetch: Callable[[], list[Record]]) -> None:
    with Live(console=console(), auto_refresh=False, vertical_overflow="visible") as live:
        for rows in _rounds(fetch, lambda text: live.update(text, refresh=True)):
            live.update(table(_fitting(columns, rows), rows), refresh=True)


def _fitting(columns: Sequence[Column], rows: Sequence[Record]) -> list[Column]:
    """Return the columns without as many of the extra ones as the terminal has no room for."""
    wide, width, kept = console(WIDEST), console().width, list(columns)
    for extra in [column for column in reversed(columns) if column.extra]:
        if wide.measure(table(kept, rows)).maximum <= width:
            break
        kept.remove(extra)
    return kept


def _watch_changes(
    kind: Kind, columns: Sequence[Column], fetch: Callable[[], list[Record]], form: Format
) -> None:
    known: dict[str, tuple[str, ...]] = {}
    lines = _Lines(columns)
    for rows in _rounds(fetch, lambda text: click.echo(text, err=True)):
        for row in rows:
            lasting = tuple(column.show(row) for column in columns if not column.ticking)
            if known.get(row["name"]) != lasting:
                known[row["name"]] = lasting
                if form == "table":
                    lines.show(row)
                else:
                    _print_document(kind.document(row), form)
        for name in known.keys() - {row["name"] for row in rows}:
            del known[name]
            click.echo(f"{name} is gone", err=form != "table")


class _Lines:
    """Rows of a table printed one by one, below each other as far as can be foreseen."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._widths = [len(column.head) for column in columns]
        self._is_first = True

    def show(self, row: Record) -> None:
        cells = [column.show(row) for column in self._columns]
        self._widths = [max(pair) for pair in zip(self._widths, map(len, cells), strict=True)]
        if self._is_first:
            self._print([column.head for column in self._columns])
            self._is_first = False
        self._print(cells)

    def _print(self, cells: list[str]) -> None:
        padded = (
            cell.rjust(width) if column.right else cell.ljust(width)
            for cell, width, column in zip(cells, self._widths, self._columns, strict=True)
        )
        click.echo("   ".join(padded).rstrip())


def _print_document(document: Record, form: Format) -> None:
    if form == "json":
        click.echo(json.dumps(document))
    else:
        click.echo("---\n" + yaml.safe_dump(document, sort_keys=False), nl=False)


def _rounds(
    fetch: Callable[[], list[Record]], complain: Callable[[str], None]
) -> Iterator[list[Record]]:
    """Give the records once a second; a service that goes away for a while is waited for."""
    away = False
    yield fetch()
    while True:
        time.sleep(WATCH_SECONDS)
        try:
            rows = fetch()
        except NoAnswerError as error:
            if not away:
                complain(error.message)
            away = True
        else:
            away = False
            yield rows
