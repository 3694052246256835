"""What a result says about where it comes from: history, identifiers, source files."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from typing import Any

import xarray as xr

from compute_tasks.model import CRS, Dimension, Domain, Variable
from compute_tasks.plan import Plan, Step

SERVICE = "ESGF Compute"
CONVENTIONS = "CF-1.8"


def origins(plan: Plan, output: str, opened: Mapping[str, xr.Dataset], uid: str) -> dict[str, str]:
    """Return the identifier of one output, and identifiers and addresses of what it is from.

    `opened` are the sources by name.
    """
    variables = plan.sources_of(output)
    attrs = [opened[variable.name].attrs for variable in variables]
    ids = [str(found["tracking_id"]) for found in attrs if found.get("tracking_id")]
    uris = [variable.uri for variable in variables]
    return {
        "tracking_id": tracking_id(uid, output),
        **({"source_tracking_id": " ".join(dict.fromkeys(ids))} if ids else {}),
        "source_files": "\n".join(dict.fromkeys(uris)),
    }


def tracking_id(uid: str, output: str) -> str:
    """Return the identifier of one output, the same each time for the same run."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{uid}/{output}"))


def history(plan: Plan, output: str, former: str | None) -> str:
    """Return the history with one more line: time, service, and each process with its values."""
    chain = " -> ".join(
        [
            *_ranges(plan.sources_of(output), plan.domains),
            *(_process_text(step) for step in plan.ancestry(output)),
        ]
    )
    line = f"{now()} {SERVICE} {_version()}: {chain}"
    return f"{former.rstrip()}\n{line}" if former else line


def now() -> str:
    """Return the time as CMIP attributes give it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _ranges(variables: Iterable[Variable], domains: Mapping[str, Domain]) -> list[str]:
    return [f"{v.name}[{_domain_text(domains[v.domain])}]" for v in variables if v.domain]


def _process_text(step: Step) -> str:
    parts = [_domain_text(step.domain)] if step.domain else []
    if step.gridder:
        parts.append(f"{step.gridder.method} to grid {step.gridder.grid}")
    parts += [
        f"{name}={_value_text(value)}"
        for name, value in step.arguments.items()
        if value is not None and value != ()
    ]
    return f"{step.process.identifier}({', '.join(part for part in parts if part)})"


def _value_text(value: Any) -> str:
    if isinstance(value, Mapping):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, tuple | list):
        return "|".join(_value_text(part) for part in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _domain_text(domain: Domain) -> str:
    parts = [_dimension_text(dimension) for dimension in domain.dimensions]
    if domain.mask:
        parts.append(f"masked where {domain.mask.operation} in {domain.mask.uri}")
    return ", ".join(parts)


def _dimension_text(dimension: Dimension) -> str:
    start, end = ("" if v is None else _value_text(v) for v in (dimension.start, dimension.end))
    between = ":" if dimension.crs is CRS.INDICES else ".."
    step = f" step {dimension.step}" if dimension.step > 1 else ""
    return f"{dimension.name}={start}{between}{end}{step}"


@cache
def _version() -> str:
    return version("esgf-compute")
