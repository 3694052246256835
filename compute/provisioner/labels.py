"""Searching records by their labels."""

import re
from collections.abc import Iterable, Mapping

from django.db.models import Q, Value
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import Exact

from compute.provisioner.errors import Unusable
from compute.provisioner.fields import LABEL_KEY, LABEL_VALUE

SELECTOR = re.compile(rf"(?P<key>{LABEL_KEY})(?P<equal>==?(?P<value>{LABEL_VALUE}))?", re.ASCII)


def carrying(labels: Mapping[str, str]) -> Q:
    """Return the condition that a record has all of the labels."""
    condition = Q()
    for key, value in labels.items():
        condition &= Q(Exact(KeyTextTransform(key, "labels"), Value(value)))
    return condition


def selected(selectors: Iterable[str]) -> Q:
    """Return the condition that `key=value` and `key` hold; several are joined by commas too.

    Raises Unusable for one that cannot be read.
    """
    condition = Q()
    for text in (part.strip() for texts in selectors for part in texts.split(",")):
        found = SELECTOR.fullmatch(text)
        if not found:
            raise Unusable("label", f"{text!r} is neither <key>=<value> nor <key>")
        if found["equal"]:
            condition &= carrying({found["key"]: found["value"]})
        else:
            condition &= Q(labels__has_key=found["key"])
    return condition
