import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from compute_tasks.errors import InvalidInput
from compute_tasks.operators.conditions import Condition, parse
from compute_tasks.tests import data
from compute_tasks.tests.science import line


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("pr>0.000023408767", Condition("pr", ">", 0.000023408767)),
        ("lon > 180", Condition("lon", ">", 180.0)),
        ("tas>-1e-5", Condition("tas", ">", -1e-5)),
        ("  tas <=  .5E+2 ", Condition("tas", "<=", 50.0)),
        ("tas== -3", Condition("tas", "==", -3.0)),
        ("tas !=+3.", Condition("tas", "!=", 3.0)),
        ("a-b.c>=1", Condition("a-b.c", ">=", 1.0)),
        ("isnull", Condition(None, "isnull")),
        ("notnull()", Condition(None, "notnull")),
        ("isnull( tas )", Condition("tas", "isnull")),
        ("tas notnull", Condition("tas", "notnull")),
    ],
)
def test_conditions_are_read_in_every_form(text, condition):
    assert parse(text) == condition


@given(
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([">", ">=", "<", "<=", "==", "!="]),
    st.sampled_from(["", " ", "  "]),
)
def test_any_number_is_read_exactly(number, operator, blank):
    assert parse(f"tas{blank}{operator}{blank}{number!r}") == Condition("tas", operator, number)


@pytest.mark.parametrize(
    "text", ["", "tas", "tas>", ">3", "tas=3", "tas>a", "tas>nan", "tas>inf", "tas>1 and pr<2"]
)
def test_other_texts_are_refused_with_the_grammar(text):
    with pytest.raises(ValueError, match="write <name> <operator> <number>"):
        parse(text)


def test_missing_values_pass_no_comparison():
    dataset = line([1.0, np.nan, 3.0])
    assert parse("v!=3")(dataset).values.tolist() == [True, False, False]
    assert parse("v<=3")(dataset).values.tolist() == [True, False, True]
    assert parse("isnull")(dataset).values.tolist() == [False, True, False]
    assert parse("v notnull")(dataset).values.tolist() == [True, False, True]


def test_an_axis_is_found_by_its_role_and_times_count_in_units_of_the_file():
    dataset = data.tas()
    assert parse("latitude > 40")(dataset).values.tolist() == [False] * 4 + [True] * 2
    assert parse("t<54800")(dataset).values.tolist() == [True, True] + [False] * 22


def test_a_32_bit_value_equals_the_number_it_was_rounded_from():
    assert parse("v==20.1")(line(np.array([20.1], "float32"))).values.tolist() == [True]


def test_an_unknown_name_lists_variables_and_axes():
    with pytest.raises(
        InvalidInput, match=r"variable \(tas\) nor an axis \(time, lat, lon, height"
    ):
        parse("pr>1")(data.tas())
    two = xr.merge([line([1.0]), line([1.0], "w")])
    with pytest.raises(InvalidInput, match="isnull needs a name here: one of v, w"):
        parse("isnull")(two)
