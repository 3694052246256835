import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute_tasks.cf import units
from compute_tasks.errors import InvalidInput, MissingInput
from compute_tasks.tests import data
from compute_tasks.tests.science import cut, cut_indices, line, no_compute, run

NAN = np.nan
UNARY = {"abs": np.abs, "exp": np.exp, "log": np.log, "sqrt": np.sqrt}
BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply,
    "divide": np.divide, "power": np.power,
}  # fmt: skip
values = hnp.arrays(
    "float64",
    6,
    elements=st.one_of(st.just(NAN), st.floats(-1000, 1000).map(lambda x: round(x, 3))),
)


def expected(function, *operands):
    with np.errstate(all="ignore"):
        result = function(*operands)
    return np.where(np.isfinite(result), result, NAN)


@pytest.mark.parametrize(
    ("name", "given_values", "result"),
    [
        ("abs", [-2.0, NAN, 3.0], [2, NAN, 3]),
        ("exp", [0.0, NAN, 1.0, 1e6], [1, NAN, np.e, NAN]),
        ("log", [1.0, NAN, 0.0, -1.0, np.e], [0, NAN, NAN, NAN, 1]),
        ("sqrt", [4.0, NAN, 0.0, -1.0], [2, NAN, 0, NAN]),
    ],
)
def test_functions_of_known_numbers(name, given_values, result):
    np.testing.assert_allclose(run(name, line(given_values)).v, result)


@settings(deadline=None, max_examples=25)
@given(values, st.sampled_from(sorted(UNARY)))
def test_functions_are_those_of_numpy(numbers, name):
    np.testing.assert_allclose(run(name, line(numbers)).v, expected(UNARY[name], numbers))


@settings(deadline=None, max_examples=40)
@given(values, values, st.sampled_from(sorted(BINARY)))
def test_arithmetic_is_that_of_numpy(first, second, name):
    found = run(name, line(first).chunk(x=2), line(second).chunk(x=3)).v
    np.testing.assert_allclose(found, expected(BINARY[name], first, second))
    constant = run(name, line(first), const="2.5").v
    np.testing.assert_allclose(constant, expected(BINARY[name], first, 2.5))


def test_division_by_zero_gives_missing_values_without_warnings(recwarn):
    dataset = line([1.0, 0.0, NAN, -2.0]).chunk(x=1)
    np.testing.assert_array_equal(run("divide", dataset, const="0").v, [NAN] * 4)
    np.testing.assert_array_equal(run("divide", dataset, dataset).v, [1, NAN, NAN, 1])
    np.testing.assert_array_equal(run("power", dataset, const="-1").v, [1, NAN, NAN, -0.5])
    assert not recwarn.list


def test_whole_numbers_are_computed_in_double_precision_and_floats_keep_theirs():
    assert run("power", line([2, 4]), const="-1").v.values.tolist() == [0.5, 0.25]
    for name in BINARY:
        assert run(name, data.tas().chunk(time=1), const="2").tas.compute().dtype == "float32"


@pytest.mark.parametrize(
    ("name", "unit"), [("abs", "K2"), ("exp", "1"), ("log", "1"), ("sqrt", "K")]
)
def test_units_follow_the_function(name, unit):
    result = run(name, line([4.0], units="K2", standard_name="x", long_name="Square")).v
    assert result.attrs["units"] == unit
    assert ("standard_name" in result.attrs) == (name == "abs")


def test_a_root_without_whole_exponents_has_no_units():
    assert "units" not in run("sqrt", line([4.0], units="K")).v.attrs


@pytest.mark.parametrize("calendar", ["360_day", "julian"])
def test_inputs_on_the_same_odd_calendar_are_combined(calendar):
    result = run("subtract", data.tas(calendar=calendar), data.tas(calendar=calendar))
    assert (result.tas == 0).all()
    assert result.tas.attrs["units"] == "K"
    assert result.time.encoding["calendar"] == calendar


def test_inputs_on_different_calendars_are_refused():
    with pytest.raises(InvalidInput, match=r"'time'.*calendars noleap and 360_day"):
        run("add", data.tas(), data.tas(calendar="360_day"))


def test_a_climatology_is_spread_over_time_on_either_side():
    climate = run("mean", data.tas(), axes="time")
    for inputs in ((data.tas(), climate), (climate, data.tas())):
        result = run("subtract", *inputs)
        assert result.tas.dims == ("time", "lat", "lon")
        assert float(abs(result.tas.mean())) < 1e-9
        assert {"time_bnds", "lat_bnds", "lon_bnds"} <= set(result.coords)


def test_grids_must_be_the_same_but_for_rounding():
    nudged = data.tas().assign_coords(lat=data.tas().lat + 1e-6)
    assert run("add", data.tas(), nudged).lat.variable.identical(data.tas().lat.variable)
    with pytest.raises(InvalidInput, match="axis 'lat' of the first input and the second: 6 and 4"):
        run("add", data.tas(), data.tas(nlat=4))
    with pytest.raises(InvalidInput, match=r"axis 'lon'.*point 0 is 0.0 and 1.0"):
        run("add", data.tas(), data.tas(lon_start=1))
    with pytest.raises(InvalidInput, match=r"axis 'time'.*2000-01-16.*2002-01-16"):
        run("add", data.tas(), data.tas((2002, 2003)))
    with pytest.raises(InvalidInput, match=r"axis 'x'.*3 and 2 points"):
        run("add", line([1.0, 2, 3]), line([1.0, 2]))


def test_axes_of_another_name_but_the_same_role_are_matched():
    other = data.tas().rename(lat="latitude")
    assert run("add", data.tas(), other).tas.dims == ("time", "lat", "lon")


def test_inputs_that_each_lack_an_axis_are_refused():
    with pytest.raises(InvalidInput, match="only the first input has the axis x"):
        run("add", line([1.0]), line([1.0], dim="y"))


def test_units_of_sums_must_agree():
    celsius = line([1.0], "t", units="degC")
    with pytest.raises(InvalidInput, match="v has 'K', t has 'degC'"):
        run("add", line([1.0], units="K"), celsius)
    assert run("add", line([1.0], units="m s-1"), line([1.0], units="m/s")).v.item() == 2


def test_units_of_products_are_worked_out():
    rain = cut_indices(data.pr(), time=(0, 1))
    warm = cut_indices(data.tas(), time=(0, 1))
    product = run("multiply", rain, warm).pr
    assert product.attrs["units"] == "kg m-2 s-1 K"
    assert product.attrs["long_name"] == "pr * tas"
    assert "standard_name" not in product.attrs
    assert run("divide", warm, warm).tas.attrs["units"] == "1"
    assert run("multiply", warm, const="3").tas.attrs["units"] == "K"


def test_the_difference_of_unlike_variables_is_named_anew():
    result = run("subtract", line([3.0], units="K", standard_name="a"), line([1.0], "w", units="K"))
    assert result.v.attrs == {"units": "K", "long_name": "v - w"}


def test_a_number_or_a_second_input_is_needed_but_not_both():
    with pytest.raises(MissingInput, match="second input or the number const") as caught:
        run("add", line([1.0]))
    assert caught.value.locator == "const"
    with pytest.raises(InvalidInput, match="give one of them"):
        run("add", line([1.0]), line([1.0]), const="1")


def test_ids_of_both_files_are_kept():
    a, b = (line([1.0]).assign_attrs(tracking_id=i) for i in ("hdl:1", "hdl:2"))
    assert run("add", a, b).attrs["source_tracking_id"] == "hdl:1 hdl:2"


@pytest.mark.parametrize("name", [*UNARY, *BINARY, "where"])
def test_pointwise_processes_stay_lazy(name):
    dataset = data.tas().chunk(time=1)
    with dask.config.set(scheduler=no_compute):
        if name == "where":
            run(name, dataset, cond="tas>3", other="1")
        else:
            run(name, *[dataset] * (1 if name in UNARY else 2))


@pytest.mark.parametrize(
    ("texts", "result"),
    [
        ({"cond": "v>2"}, [NAN, NAN, 3, 4]),
        ({"cond": "v>2", "other": "0"}, [0, NAN, 3, 4]),
        ({"cond": "notnull", "other": "-1"}, [1, -1, 3, 4]),
        ({"cond": "isnull(v)", "other": "7"}, [7, NAN, 7, 7]),
        ({"cond": "v!=3"}, [1, NAN, NAN, 4]),
    ],
)
def test_where_keeps_values_and_leaves_missing_ones_missing(texts, result):
    found = run("where", line([1.0, NAN, 3.0, 4.0], units="K"), **texts).v
    np.testing.assert_array_equal(found, result)
    assert found.attrs["units"] == "K"


@settings(deadline=None, max_examples=25)
@given(values, st.floats(-1000, 1000))
def test_where_is_that_of_numpy(numbers, limit):
    found = run("where", line(numbers), cond=f"v <= {limit!r}").v
    np.testing.assert_array_equal(found, np.where(numbers <= limit, numbers, NAN))


def test_where_by_an_axis_or_by_another_variable():
    north = run("where", data.tas(calendar="360_day"), cond="latitude>0").tas
    assert north.dims == ("time", "lat", "lon")
    assert north[:, :3].isnull().all()
    assert north[:, 3:].notnull().all()
    both = xr.merge([line([1.0, 2]), line([NAN, 5.0], "w")])
    result = run("where", both, cond="w>1", variable="v", other="0")
    np.testing.assert_array_equal(result.v, [NAN, 2])
    np.testing.assert_array_equal(result.w, [NAN, 5])


@pytest.mark.parametrize("name", [*UNARY, *BINARY, "where", "merge"])
def test_coordinates_keep_all_that_is_said_of_them(name):
    texts = {"cond": "latitude>0", "other": "1"} if name == "where" else {}
    inputs = 1 if name in UNARY or name == "where" else 2
    result = run(name, *[data.tas()] * inputs, **texts)
    for axis, coordinate in data.tas().coords.items():
        assert result[axis].variable.identical(coordinate.variable)
        assert result[axis].encoding == coordinate.encoding


def test_a_bare_condition_is_of_each_variable_itself():
    both = xr.merge([line([1.0, NAN]), line([NAN, 5.0], "w")])
    result = run("where", both, cond="notnull", other="0")
    assert result.v.values.tolist() == [1, 0]
    assert result.w.values.tolist() == [0, 5]


def test_subset_leaves_the_data_and_squeeze_drops_single_points():
    one = cut(data.tas(), lat=(10, 20))
    assert run("subset", one).identical(one)
    assert run("squeeze", one).tas.dims == ("time", "lon")
    assert "lat" not in run("squeeze", one).coords
    assert "height" in run("squeeze", one).coords


@pytest.mark.parametrize(
    ("first", "second", "product", "ratio"),
    [
        ("K", "K", "K2", "1"), ("1", "m", "m", "m-1"), ("m/s", "s", "m", "m s-2"),
        ("kg m-2 s-1", "m2", "kg s-1", "kg m-4 s-1"), ("m^2", "m**-1", "m", "m3"),
        ("10^3 m", "s", "(10^3 m) (s)", "(10^3 m) (s-1)"), (None, "K", None, None),
    ],
)  # fmt: skip
def test_units_multiply_and_divide(first, second, product, ratio):
    assert units.product(first, second) == product
    assert units.quotient(first, second) == ratio


def test_units_of_powers():
    assert units.power("m s-1", 2) == "m2 s-2"
    assert units.power("m2 s-2", 0.5) == "m s-1"
    assert units.power("m", 0.5) is None
    assert units.power("10^3 m", 2) == "(10^3 m)2"
