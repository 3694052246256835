import dask
import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from compute_tasks.errors import TooLarge
from compute_tasks.tests import data
from compute_tasks.tests.science import line, no_compute, run

NAN = np.nan


def test_percentiles_of_four_values_and_a_missing_one():
    result = run("percentile", line([4.0, 1, NAN, 3, 2]), q="0|25|50|100")
    # Places 0, 0.75, 1.5 and 3 of 1, 2, 3, 4.
    assert result.v.values.tolist() == [1, 1.75, 2.5, 4]
    assert result.percentile.values.tolist() == [0, 25, 50, 100]
    assert result.percentile.attrs["units"] == "%"


def test_a_single_percentile_has_no_axis_and_the_median_a_name():
    result = run("percentile", data.tas(), q="50", axes="t").tas
    assert result.dims == ("lat", "lon")
    assert float(result.percentile) == 50
    assert result.attrs["cell_methods"] == "area: time: mean time: median"
    other = run("percentile", data.tas(), q="90", axes="t").tas.attrs
    assert other["cell_methods"] == "area: time: mean"
    assert other["long_name"] == "percentile 90 of Near-Surface Air Temperature over time"
    assert other["standard_name"] == "air_temperature"


def test_where_all_values_are_missing_so_is_the_percentile():
    assert np.isnan(run("percentile", line([NAN, NAN]), q="10").v)


@pytest.mark.parametrize("q", ["", "101", "-1", "a", "5|5", "nan"])
def test_percentiles_lie_between_0_and_100(q):
    with pytest.raises(ValueError, match=r"0 to 100|is not a number|each percentile once"):
        run("percentile", data.tas(), q=q)


def test_percentiles_stay_lazy():
    dataset = data.tas().assign(tas=data.tas().tas.chunk(time=5))
    with dask.config.set(scheduler=no_compute):
        run("percentile", dataset, q="5|95", axes="t")
        run("percentile", dataset, q="5", axes="x|y")


def test_large_inputs_are_read_slab_by_slab(monkeypatch):
    monkeypatch.setattr("compute_tasks.operators.percentiles.HELD_BYTES", 24 * 4 * 12)
    dataset = data.tas(missing=True)
    chunked = dataset.assign(tas=dataset.tas.chunk(time=5, lat=4))
    expected = run("percentile", dataset, q="5|95", axes="t")
    xr.testing.assert_allclose(run("percentile", chunked, q="5|95", axes="t"), expected)


def test_what_cannot_be_sorted_in_memory_is_refused(monkeypatch):
    monkeypatch.setattr("compute_tasks.operators.percentiles.MOST_BYTES", 95)
    with pytest.raises(TooLarge, match="needs 96 bytes of tas at once; at most 95"):
        run("percentile", data.tas(), q="5", axes="t")


fields = hnp.arrays(
    st.sampled_from(["float32", "float64"]),
    hnp.array_shapes(min_dims=2, max_dims=3, max_side=5),
    elements=st.one_of(st.just(NAN), st.integers(-1000, 1000).map(float)),
)


@settings(deadline=None, max_examples=40)
@given(fields, st.floats(0, 100), st.sampled_from(["a", "b", "a|b", None]), st.booleans())
def test_percentiles_are_those_of_numpy(values, q, axes, chunked):
    dims = ("a", "b", "c")[: values.ndim]
    dataset = xr.Dataset({"v": (dims, values)})
    numbers = tuple(dims.index(a) for a in (axes.split("|") if axes else dims))
    gone = np.isnan(values).all(axis=numbers)
    known = np.where(np.isnan(values).all(axis=numbers, keepdims=True), 0, values)
    expected = np.nanpercentile(known.astype("float64"), q, axis=numbers)
    source = dataset.chunk(a=1, b=2) if chunked else dataset
    found = run("percentile", source, q=str(q), **({"axes": axes} if axes else {})).v
    np.testing.assert_allclose(found, np.where(gone, NAN, expected), atol=1e-9)
