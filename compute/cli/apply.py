"""`compute apply`: make the records as YAML documents describe them."""

import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from compute.cli.client import Client, RefusedError, with_client
from compute.provisioner.apply import Change, Difference, change, deletion, impossible, in_order
from compute.provisioner.documents import Document, DocumentsError, files, read
from compute.provisioner.kinds import COMPUTE_NODE, KINDS, POOL

STANDARD_INPUT = "standard input"
LONGEST_SHOWN = 200
SIGNS = {"create": "+", "update": "~", "replace": "+", "delete": "-"}
COLOURS = {"+": "green", "~": "yellow", "-": "red"}
DONE = {"create": "created", "update": "changed", "replace": "replaced", "delete": "deleted"}


@click.command()
@click.option(
    "-f",
    "--file",
    "paths",
    multiple=True,
    required=True,
    type=click.Path(path_type=Path, allow_dash=True),
    help="YAML or JSON file, folder of such files, or `-` for standard input. Repeat it for more.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--prune", is_flag=True, help="Delete records with the label that no document has.")
@click.option("-l", "--label", metavar="KEY=VALUE", help="Label of the records --prune may delete.")
@with_client
def apply(
    client: Client, paths: tuple[Path, ...], dry_run: bool, prune: bool, label: str | None
) -> None:
    """Make pools, nodes, groups and boot profiles as documents describe them.

    A document has `kind`, `metadata` (name, description, labels) and `spec`; what it leaves out
    gets its default. The changes are shown before they are made. Applying the same documents again
    changes nothing.

    \b
    compute apply -f pools.yaml --dry-run
    compute apply -f cluster/ --prune -l team=ocean
    compute pools get local -o yaml | compute apply -f -
    """
    if prune != bool(label):
        raise click.UsageError("--prune and --label belong together: give both or none")
    try:
        documents = read(_texts(paths))
        changes = _changes(client, documents, label)
        if problems := list(impossible(changes)):
            raise DocumentsError(problems)
    except DocumentsError as error:
        raise click.ClickException(str(error)) from None
    for made in changes:
        _show(made)
    if not dry_run:
        _make_all(client, [made for made in changes if made.action != "keep"])
    _sum_up(changes, dry_run)


def _texts(paths: Iterable[Path]) -> Iterable[tuple[str, str]]:
    for path in paths:
        if str(path) == "-":
            yield STANDARD_INPUT, sys.stdin.read()
            continue
        for file in files([path]):
            try:
                yield str(file), file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
                raise DocumentsError([f"{file}: cannot be read: {reason}"]) from None


def _changes(client: Client, documents: list[Document], label: str | None) -> list[Change]:
    changes = [change(d, *client.find(d.kind, d.name)) for d in documents]
    if label:
        described = {(document.kind.name, document.name) for document in documents}
        for kind in KINDS.values():
            # The nodes a pool starts have its labels; they are the pool's to end.
            more = {"by_hand": "true", "ended": "true"} if kind is COMPUTE_NODE else {}
            for record in client.list(kind.path, label=label, **more):
                if (kind.name, record["name"]) not in described:
                    changes.append(deletion(kind, record))
    return in_order(changes)


def _show(made: Change) -> None:
    if made.action == "keep":
        return
    sign = SIGNS[made.action]
    note = f"  ({made.note})" if made.note else ""
    click.secho(f"{sign} {made.kind.noun} {made.name}{note}", fg=COLOURS[sign])
    for difference in made.differences:
        click.echo(f"    {difference.field}: {_both(difference, made)}")


def _both(difference: Difference, made: Change) -> str:
    if made.action in ("create", "replace"):
        return _value(difference.after)
    return f"{_value(difference.before)} -> {_value(difference.after)}"


def _value(value: Any) -> str:
    if value in (None, "", [], {}):
        return "(none)"
    if isinstance(value, dict):
        text = ", ".join(f"{name}={part}" for name, part in value.items())
    else:
        text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."


def _make_all(client: Client, changes: list[Change]) -> None:
    for number, made in enumerate(changes):
        try:
            _make(client, made)
        except click.ClickException as error:
            done = f"{number} of {len(changes)} changes were made before this one"
            raise click.ClickException(f"{error.message}\n{done}") from None


def _make(client: Client, made: Change) -> None:
    body = made.document.body.model_dump(mode="json") if made.document else {}
    try:
        if made.action == "delete":
            _delete(client, made)
        elif made.action == "update":
            client.replace(made.kind, made.name, body, made.tag)
        else:
            if made.action == "replace":
                client.delete(made.kind, made.name)
            client.create(made.kind, body)
    except RefusedError as error:
        raise click.ClickException(_placed(error, made)) from None


def _delete(client: Client, made: Change) -> None:
    if made.kind is POOL and client.get(POOL, made.name)[0]["nodes"]:
        client.drain(POOL, made.name, None)
        raise click.ClickException(
            f"pool {made.name} still has nodes, which are draining; give the same command again "
            "when they have ended"
        )
    client.delete(made.kind, made.name)


def _placed(error: RefusedError, made: Change) -> str:
    """Say where in the documents the fault of a refused change is."""
    if not made.document:
        return f"{made.kind.noun} {made.name}: {error.message}"
    problems = error.problem.get("errors") or [{"field": "", "detail": error.message}]
    return "\n".join(f"{made.document.where(p['field'])}: {p['detail']}" for p in problems)


def _sum_up(changes: list[Change], dry_run: bool) -> None:
    count: Counter[str] = Counter(made.action for made in changes)
    words = [f"{count[action]} {done}" for action, done in DONE.items() if count[action]]
    words += [f"{count['keep']} unchanged"] if count["keep"] else []
    text = ", ".join(words) or "no documents"
    click.echo(f"{text} (dry run: nothing was done)" if dry_run else text)
