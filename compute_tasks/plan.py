"""From a workflow to the steps that compute it, checked as far as possible without opening a file.

Domains: an operation's domain is applied to each of its inputs before the process, or, for a
process that combines inputs, to its result. The domain of a `CDAT.workflow` is the default of the
operations that read variables and name none; of their inputs it is applied to the variables without
a domain of their own, and to a combined result when none of its variables has one.

Gridders: each input is regridded after the domain, when that is applied to inputs, and before the
process.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Any

import compute_tasks.processes  # noqa: F401  registers what is on offer
from compute_tasks.checks import check_arity, label, listed, parse_arguments, refused
from compute_tasks.errors import InvalidInput, MissingInput, UnknownProcess
from compute_tasks.jsontext import shown
from compute_tasks.model import Domain, Gridder, Operation, Variable, Workflow
from compute_tasks.registry import Catalog, Process, catalog
from compute_tasks.regrid import requests

WORKFLOW = "CDAT.workflow"


@dataclass(frozen=True, slots=True)
class Step:
    """One operation, ready to run.

    `inputs` name sources or earlier steps, `arguments` are parsed. `domain` is applied to the
    inputs in `selected` before the process or, when the process combines, to its result. `gridder`
    regrids the inputs in `regridded`, after their domain and before the process.
    """

    name: str
    process: Process
    inputs: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    domain: Domain | None = None
    selected: frozenset[str] = frozenset()
    gridder: Gridder | None = None
    regridded: frozenset[str] = frozenset()

    @property
    def reads(self) -> tuple[str, ...]:
        """The inputs and what may be a variable whose grid is the target."""
        return (*self.inputs, self.gridder.grid) if self.gridder else self.inputs


@dataclass(frozen=True, slots=True)
class Plan:
    """What to open (`sources`), what to do in which order (`steps`), what to write (`outputs`)."""

    identifier: str
    steps: tuple[Step, ...]
    sources: Mapping[str, Variable]
    domains: Mapping[str, Domain]
    outputs: tuple[str, ...]

    def ancestry(self, name: str) -> tuple[Step, ...]:
        """Return the steps that lead to one step's result, in order, that step last."""
        wanted = {name}
        found = []
        for step in reversed(self.steps):
            if step.name in wanted:
                wanted.update(step.inputs)
                found.append(step)
        return tuple(reversed(found))

    def sources_of(self, name: str) -> tuple[Variable, ...]:
        """Return the variables one step's result is computed from, in the order of the request."""
        read = {i for step in self.ancestry(name) for i in step.reads}
        return tuple(v for v in self.sources.values() if v.name in read)


def build(workflow: Workflow, catalog: Catalog = catalog) -> Plan:
    """Check a workflow and return its plan.

    Raises MissingInput when something needed is not given and InvalidInput for what does not fit,
    both with the part of the request at fault as locator.
    """
    root = _root(workflow, catalog)
    operations = {
        name: _with_defaults(operation, root, workflow, catalog)
        for name, operation in workflow.operations.items()
        if operation is not root
    }
    if root:
        _check_defaults(root, operations.values(), catalog)
    steps = {
        name: _step(operations[name], root, workflow, catalog)
        for name in _order(operations, workflow)
    }
    _check_groups(steps)
    outputs = _outputs(root, steps, operations)
    used = {name for step in steps.values() for name in step.reads}
    return Plan(
        identifier=workflow.identifier,
        steps=tuple(steps.values()),
        sources={n: _source(v, workflow) for n, v in workflow.variables.items() if n in used},
        domains=workflow.domains,
        outputs=outputs,
    )


def _root(workflow: Workflow, catalog: Catalog) -> Operation | None:
    """Return the CDAT.workflow operation of a workflow request; None for any other request."""
    catalog[workflow.identifier]
    operations = workflow.operations.values()
    if not operations:
        raise MissingInput("the request holds no operation", locator="operation")
    named = [o for o in operations if o.process == workflow.identifier]
    if not named:
        raise InvalidInput(
            f"the request is for {workflow.identifier}, but its operations are "
            f"{listed(label(o) for o in operations)}",
            locator="operation",
        )
    roots = [o for o in operations if o.process == WORKFLOW]
    if not roots:
        return None
    if len(roots) > 1:
        raise refused(roots[1], f"a request holds one {WORKFLOW}; {roots[0].name} is another")
    if workflow.identifier != WORKFLOW:
        raise refused(roots[0], f"only a request for {WORKFLOW} may hold it")
    _check_root(roots[0], workflow)
    return roots[0]


def _check_root(root: Operation, workflow: Workflow) -> None:
    if not root.inputs:
        raise MissingInput(
            f"{label(root)} takes operations as inputs; none came", locator="operation"
        )
    for name in root.inputs:
        if name in workflow.variables:
            raise refused(
                root, f"input {shown(name)} is a variable; the inputs of {WORKFLOW} are operations"
            )
        if name == root.name or name not in workflow.operations:
            others = (n for n in workflow.operations if n != root.name)
            raise refused(
                root, f"input {shown(name)} is unknown; known operations are {listed(others)}"
            )
    if root.gridder:
        requests.checked(root.gridder, root, workflow)
    if root.domain is not None:
        _domain(root.domain, label(root), workflow)


def _with_defaults(
    operation: Operation, root: Operation | None, workflow: Workflow, catalog: Catalog
) -> Operation:
    """Return the operation with the workflow's parameters that it declares but does not set."""
    process = _process(operation, catalog)
    if root is None:
        return operation
    if root.name in operation.inputs:
        raise refused(operation, f"input {shown(root.name)} is the {WORKFLOW}; it has no result")
    defaults = {n: v for n, v in root.parameters.items() if process.parameter(n)}
    return replace(operation, parameters={**defaults, **operation.parameters})


def _process(operation: Operation, catalog: Catalog) -> Process:
    if operation.process not in catalog:
        offered = ", ".join(process.identifier for process in catalog)
        raise UnknownProcess(
            f"{label(operation)}: no process {operation.process!r}; offered are {offered}",
            locator="operation",
        )
    return catalog[operation.process]


def _check_defaults(root: Operation, operations: Iterable[Operation], catalog: Catalog) -> None:
    known = {p.name for o in operations for p in _process(o, catalog).parameters}
    if strange := [name for name in root.parameters if name not in known]:
        raise refused(
            root,
            f"no operation takes the parameter {shown(strange[0])}; "
            f"parameters of its operations are {listed(sorted(known))}",
        )


def _order(operations: Mapping[str, Operation], workflow: Workflow) -> list[str]:
    """Return operation names so that inputs come first; refuse unknown inputs and cycles."""
    for operation in operations.values():
        for name in operation.inputs:
            if name not in operations and name not in workflow.variables:
                raise refused(
                    operation,
                    f"input {shown(name)} is unknown; known variables are "
                    f"{listed(workflow.variables)}, known operations {listed(operations)}",
                )
    sorter = TopologicalSorter(
        {name: [i for i in o.inputs if i in operations] for name, o in operations.items()}
    )
    try:
        return list(sorter.static_order())
    except CycleError as error:
        cycle = " -> ".join(label(operations[name]) for name in reversed(error.args[1]))
        raise InvalidInput(f"operations form a cycle: {cycle}", locator="operation") from error


def _step(
    operation: Operation, root: Operation | None, workflow: Workflow, catalog: Catalog
) -> Step:
    process = _process(operation, catalog)
    check_arity(operation, process)
    arguments = parse_arguments(operation, process)
    gridder, regridded = requests.gridding(operation, arguments, root, workflow)
    if process.identifier == requests.REGRID:
        arguments = {n: v for n, v in arguments.items() if n not in requests.PARAMETERS}
    domain, selected = _selection(operation, process, root, workflow)
    return Step(
        name=operation.name,
        process=process,
        inputs=operation.inputs,
        arguments=arguments,
        domain=domain,
        selected=selected,
        gridder=gridder,
        regridded=regridded,
    )


def _selection(
    operation: Operation, process: Process, root: Operation | None, workflow: Workflow
) -> tuple[Domain | None, frozenset[str]]:
    """Return the domain of a step and the inputs it is meant for."""
    name, selected = operation.domain, frozenset(operation.inputs)
    if name is None and root and root.domain:
        name, selected = root.domain, _defaulted(operation, process, workflow)
    if name is None or not selected:
        return None, frozenset()
    return _domain(name, label(operation), workflow), selected


def _defaulted(operation: Operation, process: Process, workflow: Workflow) -> frozenset[str]:
    """Return the inputs of an operation that the workflow's domain is meant for."""
    read = {n: workflow.variables[n] for n in operation.inputs if n in workflow.variables}
    free = frozenset(name for name, variable in read.items() if variable.domain is None)
    return frozenset() if process.combines and len(free) < len(read) else free


def _domain(name: str, place: str, workflow: Workflow) -> Domain:
    try:
        return workflow.domains[name]
    except KeyError:
        raise InvalidInput(
            f"{place}: no domain {shown(name)}; known are {listed(workflow.domains)}",
            locator="domain",
        ) from None


def _source(variable: Variable, workflow: Workflow) -> Variable:
    if variable.domain is not None:
        _domain(variable.domain, f"variable {variable.name}", workflow)
    return variable


def _check_groups(steps: Mapping[str, Step]) -> None:
    """Refuse grouped data where a process, a domain or an output wants plain data."""
    grouped = {name for name, step in steps.items() if step.process.returns_groups}
    for step in steps.values():
        for name in grouped.intersection(step.inputs):
            if not step.process.accepts_groups:
                text = f"cannot take the groups of {name}; reduce them first, e.g. with CDAT.mean"
            elif name in step.selected:
                text = f"cannot apply its domain to groups; give the domain to {name}"
            elif name in step.regridded:
                text = f"cannot regrid groups; give the gridder to {name}"
            else:
                continue
            raise InvalidInput(
                f"{step.process.identifier} ({step.name}) {text}", locator="operation"
            )


def _outputs(
    root: Operation | None, steps: Mapping[str, Step], operations: Mapping[str, Operation]
) -> tuple[str, ...]:
    """Return the inputs of the workflow, then every other operation no other one uses."""
    used = {name for step in steps.values() for name in step.inputs}
    leaves = [name for name in operations if name not in used]
    outputs = tuple(dict.fromkeys([*(root.inputs if root else ()), *leaves]))
    for name in outputs:
        if steps[name].process.returns_groups:
            raise refused(
                operations[name], "groups cannot be written; reduce them, e.g. with CDAT.mean"
            )
    return outputs
