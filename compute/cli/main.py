"""The `compute` command: its subcommands are imported only when they are used."""

import importlib

import click

from compute import __version__

COMMANDS = {
    "serve": ("compute.cli.serve:serve", "Run the whole service on this machine."),
    "run": ("compute.cli.run:run", "Compute without a server."),
    "demo": ("compute.cli.demo:demo", "Show the whole way, from a request to a plot."),
    "nodes": ("compute.cli.nodes:nodes", "Look at compute nodes, create, drain, delete them."),
    "pools": ("compute.cli.pools:pools", "Say how many nodes of which sort there may be."),
    "groups": ("compute.cli.groups:groups", "Put nodes together under a name."),
    "boot-profiles": (
        "compute.cli.boot_profiles:boot_profiles",
        "Say how bare-metal nodes are booted.",
    ),
    "apply": ("compute.cli.apply:apply", "Make all of these as YAML documents describe them."),
    "usage": ("compute.cli.usage:usage", "Show what nodes cost."),
    "web": ("compute.cli.web:web", "Run the web process."),
    "worker": ("compute.cli.worker:worker", "Run a worker process."),
    "dask": ("compute.cli.dask:dask", "Run a part of the dask cluster of one job."),
    "provisioner": ("compute.cli.provisioner:provisioner", "Keep pools of workers at size."),
    "migrate": ("compute.cli.migrate:migrate", "Bring the database up to date."),
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and summary, and imports the one it runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names, the most used first."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import and return the command, or None when there is none of that name."""
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name][0].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command to run; an unknown name is refused with the known ones."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            ctx.fail(f"no command {args[0]!r}; there are {', '.join(COMMANDS)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="compute")
def main() -> None:
    """Climate computing beside the data: WPS in, xarray and dask, NetCDF out.

    Settings are read from COMPUTE_* environment variables; see docs/reference/settings.md.
    """
