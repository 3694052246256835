"""`compute dask`: a part of the dask cluster of one big job."""

import os

import click

from compute.cli.config import load_config


@click.command()
def dask() -> None:
    """Run the dask scheduler or worker that the node COMPUTE_NODE is recorded as.

    The provisioner starts these for jobs above COMPUTE_DASK_THRESHOLD; it ends with its cluster.
    """
    config = load_config()
    if not config.node:
        raise click.UsageError("set COMPUTE_NODE to the name of a dask node; the provisioner does")
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "compute.settings")
    # Django must be set up before the modules of its applications are imported.
    import django  # noqa: PLC0415

    django.setup()
    from compute.provisioner.dask import NoClusterError, run  # noqa: PLC0415

    try:
        run(config.node)
    except NoClusterError as error:
        raise click.ClickException(str(error)) from error
