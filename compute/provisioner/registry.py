"""The backends there are, made when a pool first needs one."""

from collections.abc import Callable, Mapping

import structlog

from compute.provisioner.backends.base import Backend, BackendError
from compute.provisioner.models import Pool

Maker = Callable[[], Backend]

logger = structlog.get_logger(__name__)


class Backends:
    """Those backends that pools name; one that cannot be made is tried again each time."""

    def __init__(self, makers: Mapping[str, Maker]) -> None:
        self._makers = makers
        self._made: dict[str, Backend] = {}

    def present(self) -> Mapping[str, Backend]:
        """Return the backends of the pools there are, by name."""
        named = set(Pool.objects.order_by().values_list("backend", flat=True).distinct())
        for name in named - self._made.keys():
            try:
                self._made[name] = self._makers[name]()
            except BackendError as error:
                logger.warning("backend not usable", backend=name, reason=str(error))
        return self._made
