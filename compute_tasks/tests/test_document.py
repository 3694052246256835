"""The three JSON texts of a request: every accepted form, every refusal, and back again."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.document import dump, parse
from compute_tasks.errors import InvalidInput, MissingInput
from compute_tasks.model import (
    CRS,
    Dimension,
    Domain,
    Gridder,
    Mask,
    Operation,
    Variable,
    Workflow,
)

VARIABLE = '[{"uri": "tas.nc", "id": "tas|v0"}]'
OPERATION = '[{"name": "CDAT.subset", "result": "op0", "input": ["v0"]}]'


def workflow(*, variable=VARIABLE, domain="[]", operation=OPERATION):
    return parse("CDAT.subset", variable=variable, domain=domain, operation=operation)


def dimension(**values):
    text = json.dumps([{"id": "d0", "lat": values}])
    return workflow(domain=text).domains["d0"].dimensions[0]


def operation(**values):
    text = json.dumps([{"name": "CDAT.subset", "result": "op0", "input": ["v0"], **values}])
    return workflow(operation=text).operations["op0"]


def refusal(**texts):
    with pytest.raises(InvalidInput) as caught:
        workflow(**texts)
    return caught.value


def test_a_variable_has_a_file_a_name_there_and_a_name_here():
    text = '[{"uri": "a.nc", "id": "tas|v0", "domain": "d", "mime_type": "application/netcdf"}]'
    assert workflow(variable=text).variables == {"v0": Variable("v0", "tas", "a.nc", "d")}


def test_a_single_object_counts_as_a_list_of_one():
    assert workflow(variable=VARIABLE[1:-1]).variables == workflow().variables


def test_values_are_the_default_crs_and_one_the_default_step():
    assert dimension(start=-30, end="30.5") == Dimension("lat", -30.0, 30.5, 1, CRS.VALUES)


def test_indices_and_steps_may_be_whole_floats_or_texts():
    asked = dimension(start=0.0, end="10", step="2", crs="indices")
    assert asked == Dimension("lat", 0, 10, 2, CRS.INDICES)


def test_timestamps_may_be_partial_and_plain_years():
    asked = dimension(start="1910", end=1920, crs="timestamps")
    assert asked == Dimension("lat", "1910", "1920", 1, CRS.TIMESTAMPS)


def test_an_absent_end_is_open():
    assert dimension(start=None) == Dimension("lat", None, None)


def test_a_mask_names_a_variable_of_a_file_and_a_condition():
    text = '{"id": "d", "mask": {"uri": "m.nc", "id": "sftlf|m", "operation": "mask_data<0.5"}}'
    assert workflow(domain=text).domains["d"].mask == Mask("m.nc", "sftlf", "mask_data<0.5")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("lat|lon", "lat|lon"),
        (["lat", "lon"], "lat|lon"),
        ([0, 10, 2.5], "0|10|2.5"),
        (10, "10"),
        (True, "true"),
    ],
)
def test_a_parameter_becomes_the_text_cwt_would_send(value, text):
    assert operation(axes=value).parameters == {"axes": text}


def test_a_gridder_is_read():
    asked = operation(gridder={"tool": "esmf", "method": "linear", "grid": "gaussian~32"})
    assert asked.gridder == Gridder("esmf", "linear", "gaussian~32")


def test_null_and_empty_domains_are_no_domain():
    assert operation(domain=None).domain is None
    assert operation(domain="").domain is None


def test_an_empty_text_is_a_missing_input():
    with pytest.raises(MissingInput) as caught:
        workflow(variable=" ")
    assert caught.value.locator == "variable"


def test_wrong_json_is_refused_with_its_line_and_column():
    error = refusal(domain='[{"id": "d0",\n "lat": }]')
    assert "line 2, column 9" in error.message
    assert error.locator == "domain"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("3", "must be an object"),
        ('["a"]', "domain[0]"),
        ('[{"id": 7}]', "'id' must be a text, not 7"),
        ('[{"lat": {}}]', "has no 'id'"),
        ('[{"id": ""}]', "'id' is empty"),
        ('[{"id": "d0"}, {"id": "d0"}]', "used twice"),
        ('[{"id": "d0", "id": "d1"}]', "occurs twice"),
        ('[{"id": "d0", "lat": [1, 2]}]', "must be an object"),
        ('[{"id": "d0", "lat": {"stop": 1}}]', "known are start, end, step, crs"),
        ('[{"id": "d0", "lat": {"start": NaN}}]', "NaN is not a number"),
        ('[{"id": "d0", "lat": {"start": 1e999}}]', "too large"),
        ('[{"id": "d0", "lat": {"start": true}}]', "must be a number, not true"),
        ('[{"id": "d0", "lat": {"start": "1990-01"}}]', '"crs": "timestamps"'),
        ('[{"id": "d0", "lat": {"start": 0.5, "crs": "indices"}}]', "whole number, not 0.5"),
        ('[{"id": "d0", "lat": {"step": 0}}]', "at least 1, not 0"),
        ('[{"id": "d0", "lat": {"crs": "degrees"}}]', "known are values, indices, timestamps"),
        ('[{"id": "d0", "time": {"start": [], "crs": "timestamps"}}]', "ISO 8601"),
        ('[{"id": "d0", "time": {"start": 1.5, "crs": "timestamps"}}]', "ISO 8601"),
        ('[{"id": "d|0"}]', "holds no '|'"),
        ('[{"id": "d0", "mask": {"uri": "m.nc", "id": "m", "operation": "x"}}]', "domain[0].mask"),
        ('[{"id": "d0", "lat": {"start": ' + "9" * 5000 + "}}]", "domain"),
        ("[" * 100_000, "domain"),
        ('[{"id": "\\ud800"}]', "surrogate"),
    ],
)
def test_a_wrong_domain_is_refused_with_place_and_choices(text, said):
    error = refusal(domain=text)
    assert said in error.message
    assert error.locator == "domain"


@pytest.mark.parametrize("identity", ["tas", "tas|", "|v0", "tas|v0|x", "||"])
def test_a_variable_id_holds_exactly_one_bar(identity):
    error = refusal(variable=json.dumps([{"uri": "a.nc", "id": identity}]))
    assert "'<variable>|<name>'" in error.message
    assert error.locator == "variable"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"result": ""}, "'result' is empty"),
        ({"input": "v0"}, "must be a list of names"),
        ({"input": [1]}, "must be a list of names"),
        ({"axes": None}, "not null"),
        ({"axes": {"a": 1}}, "parameter"),
        ({"gridder": {"gridder": "Gridder(tool='regrid2')"}}, "process.gridder"),
        ({"gridder": {"tool": "esmf"}}, "has no 'method'"),
        ({"result": "v0"}, "also a variable's"),
    ],
)
def test_a_wrong_operation_is_refused(values, said):
    item = {"name": "CDAT.subset", "result": "op0", "input": ["v0"], **values}
    error = refusal(operation=json.dumps([item]))
    assert said in error.message
    assert error.locator == "operation"


def test_a_huge_text_is_refused_with_its_size():
    assert "3000002 characters; at most 3000000" in refusal(domain=" " * 3_000_000 + "[]").message


def test_more_items_than_the_limit_are_refused():
    assert "501 items; at most 500" in refusal(operation=json.dumps([{}] * 501)).message


NAMES = st.text(
    st.characters(exclude_categories=["C", "Z"], exclude_characters="|", include_characters=' "\\'),
    min_size=1,
    max_size=8,
)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
INDICES = st.none() | st.integers(-(10**9), 10**9)
DATES = st.none() | st.dates().map(str)
STEPS = st.integers(1, 100)
DIMENSION = st.one_of(
    st.tuples(NUMBERS, NUMBERS, STEPS, st.just(CRS.VALUES)),
    st.tuples(INDICES, INDICES, STEPS, st.just(CRS.INDICES)),
    st.tuples(DATES, DATES, STEPS, st.just(CRS.TIMESTAMPS)),
)


@st.composite
def workflows(draw):
    names = st.lists(NAMES, unique=True, max_size=3)
    variables = draw(names)
    domains = draw(names)
    operations = [name for name in draw(names) if name not in variables]
    domain = st.none() | NAMES
    axes = names.map(lambda given: [n for n in given if n not in ("id", "mask")])
    parameters = st.dictionaries(
        NAMES.filter(lambda n: n not in ("name", "result", "input", "domain", "gridder")), NAMES
    )
    return Workflow(
        draw(NAMES),
        {n: Variable(n, draw(NAMES), draw(NAMES), draw(domain)) for n in variables},
        {
            n: Domain(
                n,
                tuple(Dimension(axis, *draw(DIMENSION)) for axis in draw(axes)),
                draw(st.none() | st.builds(Mask, NAMES, NAMES, NAMES)),
            )
            for n in domains
        },
        {
            n: Operation(
                n,
                draw(NAMES),
                tuple(draw(names)),
                draw(domain),
                draw(parameters),
                draw(st.none() | st.builds(Gridder, NAMES, NAMES, NAMES)),
            )
            for n in operations
        },
    )


@given(workflows())
@settings(max_examples=60, deadline=None)
def test_what_is_dumped_parses_to_the_same_workflow(given_workflow):
    texts = dump(given_workflow)
    assert parse(given_workflow.identifier, **texts) == given_workflow
    assert dump(parse(given_workflow.identifier, **texts)) == texts


@given(
    st.text(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "uri", "name", "result", "input", "lat", "start", "crs", "mask"]
                ),
                inner,
                max_size=4,
            )
        ),
    ).map(json.dumps)
)
@settings(max_examples=80, deadline=None)
def test_any_text_is_parsed_or_refused_by_name(text):
    for part in ("variable", "domain", "operation"):
        try:
            workflow(**{part: text})
        except (InvalidInput, MissingInput) as error:
            assert error.locator == part or "also a variable's" in error.message
