"""`compute usage`: what nodes cost, by pool, owner or job."""

import json
from datetime import UTC, datetime
from typing import Any

import click
import yaml

from compute.cli.client import Client, with_client
from compute.cli.columns import age, money
from compute.cli.output import Column, Format, format_option, print_table, table

Record = dict[str, Any]

COLUMNS = (
    Column("NODE TIME", lambda row: age(row["node_seconds"]), right=True),
    Column("COST", lambda row: money(row["cost"]), right=True),
    Column("ON DEMAND", lambda row: money(row["on_demand_cost"]), right=True),
    Column("SAVED", lambda row: money(row["saved"]), right=True),
)


@click.command()
@click.option(
    "--by",
    type=click.Choice(["pool", "owner", "job"]),
    default="pool",
    show_default=True,
    help="What rows are made of.",
)
@click.option("--pool", help="Only nodes of this pool.")
@click.option("--owner", help="Only what was done for this owner.")
@click.option("--since", type=click.DateTime(), help="From this time on, UTC; default: 30 days.")
@click.option("--until", type=click.DateTime(), help="Up to this time, UTC; default: now.")
@format_option
@with_client
def usage(
    client: Client,
    by: str,
    pool: str | None,
    owner: str | None,
    since: datetime | None,
    until: datetime | None,
    form: Format,
) -> None:
    """Show how long nodes were there, what they cost, and what spot nodes saved.

    The cost of a node is shared among its jobs by the time each ran; `idle` is what is left.
    """
    filters = {"by": by, "pool": pool, "owner": owner, "since": _utc(since), "until": _utc(until)}
    report = _whole(client, {name: value for name, value in filters.items() if value})
    if form == "json":
        click.echo(json.dumps(report, indent=2))
    elif form == "yaml":
        click.echo(yaml.safe_dump(report, sort_keys=False), nl=False)
    else:
        name = Column(by.upper(), lambda row: row["name"])
        rows = [*report["items"], {"name": "total", **report["total"]}]
        print_table(table((name, *COLUMNS), rows))


def _whole(client: Client, filters: dict[str, str]) -> Record:
    report: Record = client.ask("GET", "usage", params=filters).json()
    # Later pages are of the same time span, which ends now unless given.
    span = filters | {"since": report["since"], "until": report["until"]}
    cursor = report.pop("next")
    while cursor:
        page = client.ask("GET", "usage", params=span | {"cursor": cursor}).json()
        report["items"] += page["items"]
        cursor = page["next"]
    return report


def _utc(moment: datetime | None) -> str:
    return moment.replace(tzinfo=UTC).isoformat() if moment else ""
