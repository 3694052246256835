"""The provisioner as a process: rounds until it is told to end."""

import sys
from collections.abc import Mapping, Sequence

import structlog
from django.conf import settings
from django.db import Error, close_old_connections, connection

from compute.env import Config
from compute.provisioner import nodes
from compute.provisioner.actions import Action, End, Start, Switch
from compute.provisioner.backends.base import Backend
from compute.provisioner.backends.local import LocalBackend
from compute.provisioner.backends.tail import Tail
from compute.provisioner.gauges import Gauges
from compute.provisioner.leader import Deposed, Leadership
from compute.provisioner.loop import Loop
from compute.provisioner.models import Backend as Kind
from compute.provisioner.models import Pool
from compute.provisioner.registry import Backends
from compute.provisioner.waiting import Alarm, alarm
from compute_wps import metrics, upkeep

LONGEST_ROUNDS = 20
"""Rounds without a pause in between, at most, however much there is to do."""

logger = structlog.get_logger(__name__)


def run(environment: Mapping[str, str], lifeline: int | None = None) -> None:
    """Keep the nodes as they are to be until a signal ends it.

    `environment` is what nodes of this machine get. With a `lifeline` they end with whoever holds
    the other end of that pipe; then a signal to end is meant for them too, and their logs are
    shown.
    """
    config: Config = settings.COMPUTE
    local = LocalBackend(config.data_dir, environment, lifeline=lifeline)
    backends = Backends({Kind.LOCAL: lambda: local, Kind.KUBERNETES: _kubernetes})
    leadership = Leadership()
    port = config.provisioner_metrics_port
    metrics.serve(config.metrics_port if port is None else port, config.metrics_host, Gauges())
    upkeep.start()
    with alarm() as bell:
        tail = Tail(local.folder, _show) if lifeline is not None else None
        begin = ensure_pool if config.embedded else lambda: None
        _keep(Loop(leadership, backends.present, begin), config, bell, tail)
        if lifeline is not None:
            _end_all(local, leadership, config.grace_seconds)
    leadership.resign()
    logger.info("provisioner ends")


def _keep(loop: Loop, config: Config, bell: Alarm, tail: Tail | None) -> None:
    at_once = 0
    while not bell.ending:
        actions: Sequence[Action] = ()
        try:
            close_old_connections()
            actions = loop.round() or ()
        except Deposed as error:
            logger.warning("another provisioner leads", reason=str(error))
        except Error as error:
            logger.warning("round not finished", reason=str(error))
            connection.close()
        except Exception:
            # The next round looks anew; without it nodes would be neither started nor stopped.
            logger.exception("round failed")
        if tail:
            tail.show()
        more = any(isinstance(action, Start | End | Switch) for action in actions)
        at_once = at_once + 1 if more and at_once < LONGEST_ROUNDS else 0
        if not at_once:
            bell.wait(config.provisioner_seconds)


def ensure_pool() -> None:
    """Create the pool of this machine if there is none at all."""
    if Pool.objects.exists():
        return
    Pool.objects.create(
        name="local",
        description="Workers on this machine.",
        queue="ingress,default",
        minimum=1,
        maximum=2,
        cpu=0.0,
        memory=0,
        # Somebody is waiting before a screen: try again soon.
        failures=5,
        retry_seconds=1.0,
        longest_retry_seconds=30.0,
    )


def _end_all(local: LocalBackend, leadership: Leadership, grace: float) -> None:
    """End the nodes of this machine in order: they hand their jobs back."""
    try:
        with leadership.fence():
            nodes.service_ends(Kind.LOCAL)
    except (Deposed, Error) as error:
        logger.warning("nodes not told to drain", reason=str(error))
    local.end_all(grace)


def _kubernetes() -> Backend:
    # The client takes a second to import, and most services have no use for it.
    from compute.provisioner.backends.kubernetes import configured  # noqa: PLC0415

    return configured(settings.COMPUTE)


def _show(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
