"""What a process is and where the offered ones are kept.

A process is one function: datasets in, a lazy dataset out. Its declaration says how many inputs it
takes and which parameters; descriptions, checks, documentation and help are made from it.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from compute_tasks.errors import UnknownProcess


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named argument of a process.

    `parse` turns the received text into the value the function gets and raises ValueError with a
    text saying what is accepted; `kind` is that in two or three words for descriptions.
    """

    name: str
    abstract: str
    parse: Callable[[str], Any]
    kind: str = "text"
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()


def _accept(count: int, arguments: Mapping[str, Any]) -> None:
    """Accept any arguments with any number of inputs."""


@dataclass(frozen=True, slots=True)
class Process:
    """One offered process.

    `minimum` and `maximum` bound the number of inputs (`maximum` None: no bound). `combines` marks
    a process whose operation domain applies to its result, not to each input. `accepts_groups` and
    `returns_groups` say whether it consumes or produces grouped data. `streams` marks one that can
    compute on fields (`engine.field`); others get dask arrays. `check` gets the number of inputs
    and the parsed arguments and raises TaskError if they do not go together.
    """

    identifier: str
    title: str
    abstract: str
    function: Callable[..., Any]
    minimum: int
    maximum: int | None
    parameters: tuple[Parameter, ...]
    version: str = "1.0.0"
    combines: bool = False
    accepts_groups: bool = False
    returns_groups: bool = False
    streams: bool = False
    check: Callable[[int, Mapping[str, Any]], None] = _accept

    def parameter(self, name: str) -> Parameter | None:
        """Return the declared parameter of that name, or None."""
        return next((p for p in self.parameters if p.name == name), None)


class Catalog:
    """The offered processes by identifier, in alphabetical order."""

    def __init__(self) -> None:
        self._processes: dict[str, Process] = {}

    def process(
        self,
        identifier: str,
        title: str,
        *,
        inputs: int | tuple[int, int | None] = 1,
        parameters: Iterable[Parameter] = (),
        common: Iterable[Parameter] = (),
        **traits: Any,
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Register the decorated function; its docstring is the abstract.

        `parameters` become keyword-only arguments of the function and must match them by name;
        `common` ones are handled around it, the same way for every process.
        """
        own = tuple(parameters)
        minimum, maximum = inputs if isinstance(inputs, tuple) else (inputs, inputs)

        def register(function: Callable[..., Any]) -> Callable[..., Any]:
            keywords = {
                name
                for name, parameter in inspect.signature(function).parameters.items()
                if parameter.kind is inspect.Parameter.KEYWORD_ONLY
            }
            if keywords != {p.name for p in own}:
                raise TypeError(f"{identifier}: parameters {own} differ from arguments {keywords}")
            self._processes[identifier] = Process(
                identifier=identifier,
                title=title,
                abstract=inspect.getdoc(function) or "",
                function=function,
                minimum=minimum,
                maximum=maximum,
                parameters=(*own, *common),
                **traits,
            )
            return function

        return register

    def __getitem__(self, identifier: str) -> Process:
        """Return the process or raise UnknownProcess naming the offered ones."""
        try:
            return self._processes[identifier]
        except KeyError:
            offered = ", ".join(sorted(self._processes))
            raise UnknownProcess(
                f"no process {identifier!r}; offered are {offered}", locator="identifier"
            ) from None

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._processes

    def __iter__(self) -> Iterator[Process]:
        return iter(sorted(self._processes.values(), key=lambda p: p.identifier))


catalog = Catalog()
