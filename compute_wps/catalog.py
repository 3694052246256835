"""The offered processes as declarations: our own and those other packages bring.

Our own are made from the registry of the science layer. Other packages name theirs under the entry
point group `compute.processes`: a `pywps.Process`, a class of one, or several of either. One that
cannot be offered is logged and left out, so that it cannot take the others with it.
"""

import inspect
import logging
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pywps
from pywps.app.Common import Metadata

import compute_tasks.processes  # noqa: F401 - importing it fills the registry
from compute_tasks.registry import Parameter, Process, catalog
from compute_wps.protocol.elements import is_media_type
from compute_wps.protocol.exceptions import ProtocolError

GROUP = "compute.processes"

logger = logging.getLogger(__name__)


@cache
def offered() -> Mapping[str, pywps.Process]:
    """Return the declarations by identifier, our own first."""
    processes = {process.identifier: _declare(process) for process in catalog}
    for process in _foreign(processes):
        processes[process.identifier] = process
    return MappingProxyType(processes)


def find(identifier: str) -> pywps.Process:
    """Return the declaration or raise ProtocolError naming the offered ones."""
    try:
        return offered()[identifier]
    except KeyError:
        raise ProtocolError(
            "InvalidParameterValue",
            f"no process {identifier!r}; offered are {', '.join(offered())}",
            "identifier",
        ) from None


def select(identifiers: Iterable[str]) -> tuple[pywps.Process, ...]:
    """Return the declarations asked for; `all`, in any case, stands for every one."""
    identifiers = tuple(identifiers)
    if any(identifier.lower() == "all" for identifier in identifiers):
        return tuple(offered().values())
    return tuple(find(identifier) for identifier in identifiers)


def is_ours(identifier: str) -> bool:
    """Tell whether the science layer computes the process; any other runs through `foreign`."""
    return identifier in catalog


@cache
def update_sequence() -> str:
    """Return when the offered processes last changed: the newest of the files that hold them."""
    files = {inspect.getfile(process.function) for process in catalog}
    files |= {inspect.getfile(type(p)) for p in offered().values() if not is_ours(p.identifier)}
    times = [Path(file).stat().st_mtime for file in files]
    return datetime.fromtimestamp(max(times), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _declare(process: Process) -> pywps.Process:
    return pywps.Process(
        handler=None,
        identifier=process.identifier,
        title=process.title,
        abstract=_abstract(process),
        version=process.version,
        metadata=[Metadata(_count(process))],
        inputs=[_json_input(*texts) for texts in _INPUTS],
        outputs=[
            pywps.ComplexOutput(
                "output",
                "Results",
                supported_formats=[_json()],
                abstract="JSON list with one object for each file: uri (its OPeNDAP address), "
                "id (variable|name) and mime_type.",
            )
        ],
        store_supported=True,
        status_supported=True,
    )


_INPUTS = (
    (
        "variable",
        "Input variables",
        'JSON list of objects: uri (address of a file), id ("variable|name"), '
        "optionally domain (the name of one).",
    ),
    (
        "domain",
        "Domains",
        "JSON list of objects: id, and for each axis an object of start, end, step and "
        "crs (values, indices or timestamps); optionally mask. An empty list takes everything.",
    ),
    (
        "operation",
        "Operations",
        "JSON list of objects: name (the process), result (a name of your own), "
        "input (list of variable and operation names), optionally domain, and the parameters "
        "of the process as texts, several values joined by |.",
    ),
)


def _json() -> pywps.Format:
    return pywps.Format("application/json")


def _json_input(identifier: str, title: str, abstract: str) -> pywps.ComplexInput:
    return pywps.ComplexInput(identifier, title, supported_formats=[_json()], abstract=abstract)


def _abstract(process: Process) -> str:
    paragraphs = [process.abstract.strip(), f"Accepts {_count(process)}."]
    if process.parameters:
        lines = [_parameter(parameter) for parameter in process.parameters]
        paragraphs.append("\n".join(["Parameters:", *lines]))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _count(process: Process) -> str:
    least, most = process.minimum, process.maximum
    if most is None:
        return f"{least} or more inputs"
    number = str(least) if least == most else f"{least} to {most}"
    return f"{number} input{'' if most == 1 else 's'}"


def _parameter(parameter: Parameter) -> str:
    traits = [parameter.kind]
    if parameter.required:
        traits.append("required")
    if parameter.choices:
        traits.append(f"one of {', '.join(parameter.choices)}")
    if parameter.default is not None:
        traits.append(f"default {parameter.default}")
    return f"- {parameter.name} ({', '.join(traits)}): {parameter.abstract}"


def _foreign(taken: Mapping[str, pywps.Process]) -> Iterator[pywps.Process]:
    names = set(taken)
    for entry_point in entry_points(group=GROUP):
        for process in _load(entry_point):
            if problem := _problem(process, names):
                logger.error("process %r of %s: %s", process, entry_point.value, problem)
                continue
            process.abstract = process.abstract or process.title
            process.store_supported = process.status_supported = "true"
            names.add(process.identifier)
            yield process


def _load(entry_point: EntryPoint) -> list[Any]:
    try:
        loaded = entry_point.load()
        found = loaded if isinstance(loaded, Iterable) else [loaded]
        return [item() if inspect.isclass(item) else item for item in found]
    except Exception:
        logger.exception("entry point %s cannot be loaded", entry_point.value)
        return []


def _problem(process: Any, taken: set[str]) -> str | None:
    """Return why the process cannot be offered, or None."""
    if not isinstance(process, pywps.Process):
        return "it is not a pywps.Process"
    ports = [*process.inputs, *process.outputs]
    kinds = (pywps.LiteralInput, pywps.ComplexInput, pywps.LiteralOutput, pywps.ComplexOutput)
    formats = [f for port in ports for f in getattr(port, "supported_formats", None) or ()]
    without = [p for p in ports if hasattr(p, "supported_formats") and not p.data_format]
    reasons = {
        f"identifier {process.identifier!r} has more than one dot": process.identifier.count(".")
        > 1,
        f"identifier {process.identifier!r} is taken": process.identifier in taken,
        "it has no output": not process.outputs,
        "bounding boxes are not offered": not all(isinstance(port, kinds) for port in ports),
        "a complex input or output has no format": bool(without),
        "a format is not a media type": not all(is_media_type(f.mime_type) for f in formats),
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
