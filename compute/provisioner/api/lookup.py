"""Finding the record an address names."""

import re
from typing import Any

from django.db.models import QuerySet

from compute.provisioner.api.problems import Refused
from compute.provisioner.fields import LONGEST_NAME, NAME
from compute.provisioner.kinds import Kind


def one(rows: "QuerySet[Any]", kind: Kind, name: str) -> Any:
    """Return the record of that name, or refuse."""
    row = rows.filter(name=name).first() if _is_name(name) else None
    if row is None:
        raise Refused(404, f"there is no {kind.noun} {name!r}")
    return row


def _is_name(text: str) -> bool:
    return len(text) <= LONGEST_NAME and bool(re.fullmatch(NAME, text, re.ASCII))
