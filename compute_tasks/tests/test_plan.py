"""From a workflow to checked, ordered steps; what does not fit is refused before any reading."""

import json

import pytest

from compute_tasks.document import parse
from compute_tasks.errors import InvalidInput, MissingInput, UnknownProcess
from compute_tasks.plan import WORKFLOW, build
from compute_tasks.registry import Catalog, Parameter


def names(text):
    return tuple(text.split("|"))


def number(text):
    try:
        return float(text)
    except ValueError:
        raise ValueError("a number is accepted") from None


AXES = Parameter("axes", "Axes.", names, kind="names", default=())
CONST = Parameter("const", "A number.", number, kind="number")
BINS = Parameter("bins", "Edges.", names, kind="numbers", required=True)


@pytest.fixture(scope="module")
def catalog():
    offered = Catalog()

    def passed(*datasets):
        """Return the first input."""
        return datasets[0]

    def over(dataset, *, axes):
        """Return the input."""
        return dataset

    def constant(first, second=None, *, const):
        """Return the first input."""
        return first

    def grouped(dataset, *, bins):
        """Return the input."""
        return dataset

    offered.process("CDAT.subset", "Subset")(passed)
    offered.process("CDAT.aggregate", "Aggregate", inputs=(2, None), combines=True)(passed)
    offered.process("CDAT.mean", "Mean", parameters=[AXES], accepts_groups=True)(over)
    offered.process("CDAT.max", "Max", parameters=[AXES], accepts_groups=True)(over)
    offered.process("CDAT.add", "Add", inputs=(1, 2), parameters=[CONST])(constant)
    offered.process("CDAT.groupby_bins", "Bins", parameters=[BINS], returns_groups=True)(grouped)
    offered.process(WORKFLOW, "Workflow", inputs=(1, None))(passed)
    return offered


@pytest.fixture
def plan(catalog):
    """Return a function making the plan of operations given as (process, name, inputs, rest)."""

    def make(
        *operations, identifier=None, variables=("v0", "v1", "v2"), domains=("d0", "d1"), **own
    ):
        document = {
            "variable": [
                {"uri": f"{n}.nc", "id": f"tas|{n}", "domain": own.get(n)} for n in variables
            ],
            "domain": [{"id": n, "lat": {"start": 0, "end": 10}} for n in domains],
            "operation": [
                {
                    "name": process,
                    "result": name,
                    "input": list(inputs),
                    **(rest[0] if rest else {}),
                }
                for process, name, inputs, *rest in operations
            ],
        }
        texts = {key: json.dumps(value) for key, value in document.items()}
        return build(parse(identifier or operations[0][0], **texts), catalog)

    return make


def test_steps_come_in_an_order_in_which_inputs_come_first(plan):
    made = plan(
        ("CDAT.mean", "m", ["s"]),
        ("CDAT.subset", "s", ["a"]),
        ("CDAT.aggregate", "a", ["v0", "v1"]),
    )
    assert [step.name for step in made.steps] == ["a", "s", "m"]
    assert list(made.sources) == ["v0", "v1"]
    assert made.outputs == ("m",)


def test_every_operation_nobody_uses_is_an_output(plan):
    made = plan(("CDAT.subset", "s", ["v0"]), ("CDAT.mean", "m", ["s"]), ("CDAT.max", "x", ["s"]))
    assert made.outputs == ("m", "x")


def test_parameters_are_parsed_and_absent_ones_get_their_default(plan):
    given, absent = plan(
        ("CDAT.mean", "a", ["v0"], {"axes": "lat|lon"}), ("CDAT.mean", "b", ["v0"])
    ).steps
    assert given.arguments == {"axes": ("lat", "lon")}
    assert absent.arguments == {"axes": ()}


def test_an_operation_selects_its_domain_from_each_input(plan):
    (step,) = plan(("CDAT.add", "a", ["v0", "v1"], {"domain": "d0"})).steps
    assert step.domain.name == "d0"
    assert step.selected == {"v0", "v1"}


def test_the_ancestry_of_a_result_leaves_out_what_it_does_not_use(plan):
    made = plan(("CDAT.subset", "s", ["v0"]), ("CDAT.mean", "m", ["s"]), ("CDAT.max", "x", ["v1"]))
    assert [step.name for step in made.ancestry("m")] == ["s", "m"]
    assert [variable.name for variable in made.sources_of("m")] == ["v0"]


def test_a_workflow_writes_its_inputs_and_then_the_other_ends(plan):
    made = plan(
        (WORKFLOW, "w", ["s"]),
        ("CDAT.subset", "s", ["v0"]),
        ("CDAT.max", "x", ["v0"]),
        ("CDAT.mean", "m", ["s"]),
    )
    assert made.outputs == ("s", "x", "m")
    assert "w" not in [step.name for step in made.steps]


def test_a_workflows_parameters_are_defaults_where_they_are_declared(plan):
    made = plan(
        (WORKFLOW, "w", ["m"], {"axes": "time"}),
        ("CDAT.mean", "m", ["s"]),
        ("CDAT.max", "x", ["s"], {"axes": "lat"}),
        ("CDAT.subset", "s", ["v0"]),
    )
    arguments = {step.name: step.arguments for step in made.steps}
    assert arguments == {"m": {"axes": ("time",)}, "x": {"axes": ("lat",)}, "s": {}}


def test_a_workflows_domain_is_for_operations_that_read_variables_and_have_none(plan):
    made = plan(
        (WORKFLOW, "w", ["m"], {"domain": "d0"}),
        ("CDAT.mean", "m", ["s"]),
        ("CDAT.subset", "s", ["v0"]),
        ("CDAT.max", "x", ["v1"], {"domain": "d1"}),
    )
    domains = {step.name: step.domain and step.domain.name for step in made.steps}
    assert domains == {"m": None, "s": "d0", "x": "d1"}


def test_a_workflows_domain_leaves_out_results_and_variables_with_their_own(plan):
    made = plan(
        (WORKFLOW, "w", ["a", "b"], {"domain": "d0"}),
        ("CDAT.subset", "s", ["v0"]),
        ("CDAT.add", "a", ["s", "v2"]),
        ("CDAT.add", "b", ["v1", "v2"]),
        v1="d1",
    )
    selected = {step.name: set(step.selected) for step in made.steps}
    assert selected == {"s": {"v0"}, "a": {"v2"}, "b": {"v2"}}


def test_a_workflows_domain_is_not_put_on_top_of_a_combined_variables_own(plan):
    made = plan(
        (WORKFLOW, "w", ["a", "b"], {"domain": "d0"}),
        ("CDAT.aggregate", "a", ["v0", "v1"]),
        ("CDAT.aggregate", "b", ["v0", "v2"]),
        v1="d1",
    )
    assert {step.name: step.domain is not None for step in made.steps} == {"a": False, "b": True}


def test_groups_may_be_reduced(plan):
    made = plan(("CDAT.groupby_bins", "g", ["v0"], {"bins": "0|1"}), ("CDAT.mean", "m", ["g"]))
    assert made.outputs == ("m",)


@pytest.mark.parametrize(
    ("operations", "locator", "said"),
    [
        ([("CDAT.subset", "s", ["v9"])], "operation", "known variables are v0, v1, v2"),
        ([("CDAT.subset", "s", ["v0", "v1"])], "operation", "takes 1 input; it is given 2"),
        ([("CDAT.aggregate", "a", ["v0"])], "operation", "takes 2 or more inputs; it is given 1"),
        (
            [("CDAT.add", "a", ["v0", "v1", "v2"])],
            "operation",
            "takes 1 to 2 inputs; it is given 3",
        ),
        ([("CDAT.mean", "m", ["v0"], {"axis": "x"})], "operation", "it takes axes"),
        ([("CDAT.add", "a", ["v0"], {"const": "ten"})], "const", "a number is accepted"),
        ([("CDAT.subset", "s", ["v0"], {"domain": "d7"})], "domain", "known are d0, d1"),
        (
            [("CDAT.subset", "a", ["b"]), ("CDAT.mean", "b", ["a"])],
            "operation",
            "CDAT.subset (a) -> CDAT.mean (b) -> CDAT.subset (a)",
        ),
        ([("CDAT.subset", "a", ["a"])], "operation", "cycle"),
        ([("CDAT.subset", "a", ["v0"]), ("CDAT.nap", "b", ["a"])], "operation", "CDAT.aggregate"),
        (
            [("CDAT.groupby_bins", "g", ["v0"], {"bins": "0"}), ("CDAT.subset", "s", ["g"])],
            "operation",
            "cannot take the groups of g",
        ),
        (
            [
                ("CDAT.groupby_bins", "g", ["v0"], {"bins": "0"}),
                ("CDAT.mean", "m", ["g"], {"domain": "d0"}),
            ],
            "operation",
            "give the domain to g",
        ),
        ([("CDAT.groupby_bins", "g", ["v0"], {"bins": "0"})], "operation", "cannot be written"),
        ([(WORKFLOW, "w", ["v0"])], "operation", "is a variable"),
        ([(WORKFLOW, "w", ["w"])], "operation", "known operations are none"),
        (
            [(WORKFLOW, "w", ["s"]), ("CDAT.subset", "s", ["w"])],
            "operation",
            "it has no result",
        ),
        (
            [(WORKFLOW, "w", ["x"]), (WORKFLOW, "x", ["w"])],
            "operation",
            "a request holds one CDAT.workflow",
        ),
        (
            [(WORKFLOW, "w", ["s"], {"axes": "lat"}), ("CDAT.subset", "s", ["v0"])],
            "operation",
            "no operation takes the parameter",
        ),
        (
            [(WORKFLOW, "w", ["s"], {"domain": "d7"}), ("CDAT.subset", "s", ["v0"])],
            "domain",
            "known are d0, d1",
        ),
        (
            [("CDAT.subset", "s", ["v0"]), (WORKFLOW, "w", ["s"])],
            "operation",
            "only a request for CDAT.workflow",
        ),
        (
            [
                (
                    "CDAT.subset",
                    "s",
                    ["v0"],
                    {"gridder": {"tool": "esmf", "method": "linear", "grid": "T0"}},
                )
            ],
            "operation",
            "give one of uniform~DYxDX",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_place_and_choices(plan, operations, locator, said):
    with pytest.raises(InvalidInput) as caught:
        plan(*operations)
    assert said in caught.value.message
    assert caught.value.locator == locator


@pytest.mark.parametrize(
    ("operations", "locator"),
    [
        ([("CDAT.subset", "s", [])], "operation"),
        ([("CDAT.groupby_bins", "g", ["v0"]), ("CDAT.mean", "m", ["g"])], "bins"),
        ([(WORKFLOW, "w", [])], "operation"),
    ],
)
def test_what_is_needed_and_not_given_is_a_missing_input(plan, operations, locator):
    with pytest.raises(MissingInput) as caught:
        plan(*operations)
    assert caught.value.locator == locator


def test_a_request_without_operations_misses_its_input(catalog):
    with pytest.raises(MissingInput):
        build(parse("CDAT.mean", variable="[]", domain="[]", operation="[]"), catalog)


def test_the_requested_process_must_occur(plan):
    with pytest.raises(InvalidInput, match=r"its operations are CDAT.subset \(s\)"):
        plan(("CDAT.subset", "s", ["v0"]), identifier="CDAT.mean")


def test_an_unknown_process_is_refused_with_the_offered_ones(plan):
    with pytest.raises(UnknownProcess, match=r"CDAT\.aggregate, .*CDAT\.mean") as caught:
        plan(("CDAT.nap", "s", ["v0"]))
    assert caught.value.locator == "identifier"


def test_a_variables_domain_must_exist_when_it_is_used(plan):
    with pytest.raises(InvalidInput, match=r"variable v0: no domain \"d9\""):
        plan(("CDAT.subset", "s", ["v0"]), v0="d9")
    assert plan(("CDAT.subset", "s", ["v1"]), v0="d9").outputs == ("s",)


def test_arguments_that_do_not_go_together_are_refused_before_any_file_is_opened():
    operation = '[{"name": "CDAT.add", "result": "a", "input": ["v"]}]'
    variable = '[{"uri": "nowhere.nc", "id": "tas|v"}]'
    workflow = parse("CDAT.add", variable=variable, domain="[]", operation=operation)
    with pytest.raises(MissingInput, match=r"CDAT.add \(a\): give a second input") as caught:
        build(workflow)
    assert caught.value.locator == "const"
