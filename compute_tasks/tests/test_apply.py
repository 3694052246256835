import numpy as np
import pytest
import xarray as xr

from compute_tasks.errors import InvalidInput
from compute_tasks.operators import parameters
from compute_tasks.registry import catalog
from compute_tasks.tests import data
from compute_tasks.tests.science import line, run

NAMES = (
    "subset", "squeeze", "aggregate", "merge", "mean", "max", "min", "sum", "std", "var", "count",
    "abs", "exp", "log", "sqrt", "add", "subtract", "multiply", "divide", "power", "where",
    "filter_map", "groupby_bins", "workflow",
)  # fmt: skip
IDENTIFIERS = {f"CDAT.{name}" for name in NAMES}


def test_all_processes_are_offered_with_titles_and_abstracts_of_their_own():
    offered = list(catalog)
    assert {p.identifier for p in offered} >= IDENTIFIERS
    assert len({p.title for p in offered}) == len(offered)
    assert all(p.abstract for p in offered)


def test_parameters_are_those_of_the_service_contract():
    expected = {"subset": "method", "merge": "compat", "mean": "axes", "add": "const"}
    for name, parameter in expected.items():
        assert catalog[f"CDAT.{name}"].parameter(parameter)
    common = {"variable", "fillna", "rename"}
    assert {p.name for p in catalog["CDAT.count"].parameters} == common
    assert {p.name for p in catalog["CDAT.aggregate"].parameters} == common - {"variable"}
    assert {p.name for p in catalog["CDAT.filter_map"].parameters} == common | {
        "func",
        "cond",
        "other",
    }


def test_missing_values_are_filled_before_renaming():
    result = run("abs", line([-1.0, np.nan], units="K"), fillna="9", rename="v|w")
    assert result.w.values.tolist() == [1, 9]
    assert result.w.attrs["units"] == "K"


def test_only_the_chosen_variable_is_computed_and_filled():
    both = xr.merge([line([1.0, np.nan]), line([-5.0, np.nan], "w")])
    result = run("mean", both, variable="v", fillna="0")
    assert float(result.v) == 1
    np.testing.assert_array_equal(result.w, [-5, np.nan])


def test_one_variable_of_two_inputs_is_chosen_in_both():
    both = data.tas().assign(pr=data.pr().pr)
    result = run("subtract", both, data.tas(), variable="tas")
    assert (result.tas == 0).all()
    assert result.pr.identical(both.pr)
    with pytest.raises(InvalidInput, match="choose one with the parameter variable"):
        run("subtract", both, data.tas())


def test_an_unknown_variable_is_refused_with_those_there_are():
    with pytest.raises(InvalidInput, match="no variable 'pr'; the input holds tas") as caught:
        run("mean", data.tas(), variable="pr")
    assert caught.value.locator == "variable"


def test_axes_are_renamed_with_what_refers_to_them():
    result = run("subset", data.tas(), rename="lat|latitude|lat_bnds|edges|tas|t")
    assert result.t.dims == ("time", "latitude", "lon")
    assert result.latitude.encoding["bounds"] == "edges"
    assert "edges" in result.coords


@pytest.mark.parametrize(
    ("rename", "text"),
    [("pr|x", "nothing is called 'pr'; there are tas, time, lat, lon"),
     ("tas|lon", "the name 'lon' is taken already"), ("tas|bnds", "'bnds' is taken")],
)  # fmt: skip
def test_names_that_do_not_fit_are_refused(rename, text):
    with pytest.raises(InvalidInput, match=text) as caught:
        run("subset", data.tas(), rename=rename)
    assert caught.value.locator == "rename"


def test_a_grid_mapping_is_kept_while_it_is_there():
    dataset = data.tas().assign_coords(crs=((), 0, {"grid_mapping_name": "latitude_longitude"}))
    dataset.tas.encoding["grid_mapping"] = "crs"
    assert run("abs", dataset).tas.encoding["grid_mapping"] == "crs"
    assert run("abs", dataset, rename="crs|mapping").tas.encoding["grid_mapping"] == "mapping"
    area = dataset.assign_coords(areacella=(("lat", "lon"), np.ones((6, 8))))
    area.tas.encoding["cell_measures"] = "area: areacella"
    assert "cell_measures" in run("mean", area, axes="t").tas.encoding
    assert "cell_measures" not in run("mean", area, axes="x").tas.encoding


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (parameters.names, "lat|lon", ("lat", "lon")),
        (parameters.names, "lat, lon|lat", ("lat", "lon")),
        (parameters.numbers, "0| 1e1|-2.5", (0, 10, -2.5)),
        (parameters.pairs, "a|b|c|d", {"a": "b", "c": "d"}),
        (parameters.pairs, "a|b|b|a", {"a": "b", "b": "a"}),
        (parameters.choice("pad", "nearest"), " Nearest ", "nearest"),
        (parameters.name, " tas ", "tas"),
    ],
)
def test_parameter_texts_are_read(reader, text, value):
    assert reader(text) == value


@pytest.mark.parametrize(
    ("reader", "text", "says"),
    [
        (parameters.names, "lat||lon", "names joined by |"),
        (parameters.number, "inf", "is not a number"),
        (parameters.number, "1|2", "is not a number"),
        (parameters.pairs, "a", "pairs"),
        (parameters.pairs, "a|b|c", "pairs"),
        (parameters.pairs, "a|b|a|c", "'a' comes twice"),
        (parameters.pairs, "a|c|b|c", "'c' comes twice"),
        (parameters.pairs, "a|../x", "cannot name a variable"),
        (parameters.choice("pad", "nearest"), "linear", "give one of pad, nearest"),
        (parameters.name, "a|b", "give one name"),
    ],
)
def test_other_parameter_texts_are_refused_with_what_is_accepted(reader, text, says):
    with pytest.raises(ValueError) as caught:
        reader(text)
    assert says in str(caught.value)
