"""The commands that every kind of record has: list, get, create, update, delete."""

from collections.abc import Callable
from typing import Any

import click

from compute.cli.client import Client, with_client
from compute.cli.columns import COLUMNS, texts
from compute.cli.field_options import checked, options, values
from compute.cli.output import Format, format_option, show_list, show_one
from compute.cli.watch import watch
from compute.provisioner.kinds import Kind

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

HELP = {"help_option_names": ["-h", "--help"]}


def record_commands(kind: Kind, filters: tuple[tuple[str, str], ...] = ()) -> click.Group:
    """Return the group of commands for a kind; `filters` are of its list, with their meaning."""

    @click.group(kind.path, context_settings=HELP)
    def group() -> None:
        pass

    group.help = f"Look at {kind.plural} and change them; changing needs an operator's token."
    for command in (
        _list(kind, filters),
        _get(kind),
        _create(kind),
        _update(kind),
        _delete(kind),
    ):
        group.add_command(command)
    return group


def add_drain(group: click.Group, kind: Kind, told: str, say: Callable[[Any], str]) -> None:
    """Add the command that drains records of the kind; `say` makes a line of the answer."""

    @group.command("drain", help=told)
    @click.argument("names", metavar="NAME...", nargs=-1, required=True)
    @click.option(
        "--seconds",
        type=click.FloatRange(min=0),
        help="Time running jobs have; default: drain_seconds of the pool.",
    )
    @with_client
    def drain(client: Client, names: tuple[str, ...], seconds: float | None) -> None:
        for name in names:
            click.echo(say(client.drain(kind, name, seconds)))


def drained(answer: dict[str, Any]) -> str:
    """Say which nodes of several were told to end."""
    names = answer["drained"]
    return f"draining {len(names)} node(s): {', '.join(names)}" if names else "no node to drain"


def _list(kind: Kind, filters: tuple[tuple[str, str], ...]) -> click.Command:
    columns = COLUMNS[kind.name]

    @click.command("list", help=f"List {kind.plural}.")
    @_filter_options(filters)
    @click.option(
        "-l", "--label", multiple=True, metavar="KEY[=VALUE]", help="Only those with the label."
    )
    @format_option
    @click.option("-w", "--watch", "again", is_flag=True, help="Go on until Ctrl-C.")
    @with_client
    def command(client: Client, form: Format, again: bool, **given: Any) -> None:
        wanted = {name: "true" if value is True else value or None for name, value in given.items()}

        def fetch() -> list[dict[str, Any]]:
            return list(client.list(kind.path, **wanted))

        if again:
            watch(kind, columns, fetch, form)
        else:
            show_list(kind, columns, fetch(), form)

    return command


def _get(kind: Kind) -> click.Command:
    @click.command("get", help=f"Show a {kind.noun}.")
    @click.argument("name")
    @format_option
    @with_client
    def command(client: Client, name: str, form: Format) -> None:
        record, _ = client.get(kind, name)
        show_one(kind, record, form, texts(record))

    return command


def _create(kind: Kind) -> click.Command:
    @click.command("create", help=f"Create a {kind.noun}.")
    @click.argument("name")
    @options(kind)
    @with_client
    def command(client: Client, name: str, **given: Any) -> None:
        record = client.create(kind, checked(kind, {"name": name, **values(given)}))
        click.echo(f"created {kind.noun} {record['name']}")

    return command


def _update(kind: Kind) -> click.Command:
    @click.command("update", help=f"Change some values of a {kind.noun}.")
    @click.argument("name")
    @options(kind)
    @with_client
    def command(client: Client, name: str, **given: Any) -> None:
        changes = values(given)
        if not changes:
            raise click.UsageError(f"nothing to change; see `compute {kind.path} update --help`")
        record, tag = client.get(kind, name)
        written = {field: record[field] for field in kind.body.model_fields}
        checked(kind, written | changes)
        client.change(kind, name, changes, tag)
        click.echo(f"changed {kind.noun} {name}")

    return command


def _delete(kind: Kind) -> click.Command:
    @click.command("delete", help=f"Delete {kind.plural}.")
    @click.argument("names", metavar="NAME...", nargs=-1, required=True)
    @with_client
    def command(client: Client, names: tuple[str, ...]) -> None:
        for name in names:
            client.delete(kind, name)
            click.echo(f"deleted {kind.noun} {name}")

    return command


def _filter_options(filters: tuple[tuple[str, str], ...]) -> Decorator:
    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for name, meaning in reversed(filters):
            flag = f"--{name.replace('_', '-')}"
            many, switch = name == "state", name in ("ended", "by_hand")
            command = click.option(
                flag, name, multiple=many, is_flag=switch, default=None, help=meaning
            )(command)
        return command

    return decorate
