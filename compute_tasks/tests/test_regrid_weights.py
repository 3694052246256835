import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compute_tasks.errors import InvalidInput, TooLarge
from compute_tasks.regrid import cells, scattered, targets
from compute_tasks.regrid.grids import Grid, Points
from compute_tasks.regrid.sparse import sparse
from compute_tasks.regrid.weights import weights

METHODS = ["conservative", "linear", "nearest"]


def globe(rows, columns, start=0.0, descending=False):
    """Return a grid of the whole globe whose columns start at `start`."""
    lat = -90 + 180 / rows * (np.arange(rows) + 0.5)
    lon = start + 360 / columns * np.arange(columns)
    return Grid(
        cells.latitudes(lat[::-1] if descending else lat, None), cells.longitudes(lon, None)
    )


def region(south, north, west, east, step=1.0):
    lat = np.arange(south + step / 2, north, step)
    lon = np.arange(west + step / 2, east, step)
    return Grid(cells.latitudes(lat, None), cells.longitudes(lon, None))


def areas(grid):
    high = np.diff(np.sin(np.radians(grid.lat.cells)), axis=1)
    return (high * np.diff(grid.lon.cells, axis=1)[:, 0]).ravel()


def to(source, target, method, values):
    return weights(source, target, method).apply(np.atleast_2d(values))[0]


grids = st.builds(
    globe,
    st.integers(2, 12),
    st.integers(3, 15),
    st.sampled_from([-180.0, -0.3, 0.0, 20.0, 359.0]),
    st.booleans(),
)
names = st.sampled_from(["uniform~30x20", "gaussian~8", "T21", "uniform~90x180"])


@settings(deadline=None, max_examples=40)
@given(grids, names, st.integers(0, 100))
def test_conservative_regridding_keeps_the_integral_over_the_globe(source, name, seed):
    values = np.random.default_rng(seed).normal(size=source.size)
    target = targets.named(name)
    found = to(source, target, "conservative", values)
    np.testing.assert_allclose(areas(target).sum(), areas(source).sum(), rtol=1e-12)
    np.testing.assert_allclose(
        found @ areas(target), values @ areas(source), atol=1e-9 * areas(source).sum()
    )


@settings(deadline=None, max_examples=40)
@given(grids, names, st.sampled_from(METHODS), st.floats(-1e4, 1e4, allow_subnormal=False))
def test_a_constant_stays_constant_everywhere(source, name, method, value):
    found = to(source, targets.named(name), method, np.full(source.size, value))
    np.testing.assert_allclose(found, value, rtol=1e-12)


@settings(deadline=None, max_examples=40)
@given(grids, names, st.integers(0, 100))
def test_nearest_takes_values_there_are(source, name, seed):
    values = np.random.default_rng(seed).normal(size=source.size)
    assert set(to(source, targets.named(name), "nearest", values)) <= set(values)


def test_nearest_is_the_closer_of_both_neighbours_and_the_western_of_equals():
    source = globe(4, 4)
    values = np.tile([0.0, 1, 2, 3], 4)
    found = to(source, targets.named("uniform~90x36"), "nearest", values)
    assert found[:10].tolist() == [0, 1, 1, 1, 2, 2, 3, 3, 3, 0]
    halves = to(source, targets.named("uniform~90x90"), "nearest", values)
    assert halves[:4].tolist() == [0, 1, 2, 3]


def test_a_single_column_reaches_as_far_as_its_bounds():
    lat = globe(4, 4).lat
    narrow = Grid(lat, cells.longitudes(np.array([10.0]), np.array([[0.0, 20.0]])))
    zonal = Grid(lat, cells.longitudes(np.array([180.0]), np.array([[0.0, 360.0]])))
    for method in METHODS:
        found = to(narrow, targets.named("uniform~45x20"), method, np.arange(4.0))
        assert np.flatnonzero(np.isfinite(found)).tolist() == [0, 18, 36, 54]
        everywhere = to(zonal, targets.named("uniform~45x20"), method, np.arange(4.0))
        np.testing.assert_allclose(everywhere, np.repeat(np.arange(4.0), 18))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.integers(-80, 80), min_size=2, max_size=9, unique=True).map(sorted),
    st.lists(st.integers(-170, 100), min_size=2, max_size=9, unique=True).map(sorted),
    st.booleans(),
)
def test_linear_is_exact_for_what_is_linear_between_the_centres(lat, lon, descending):
    rows = np.array(lat[::-1] if descending else lat, float)
    source = Grid(cells.latitudes(rows, None), cells.longitudes(np.array(lon, float), None))
    target = targets.named("uniform~10x10")
    places = target.places()
    turned = (places.lon - lon[0]) % 360 + lon[0]
    inner = (places.lat >= lat[0]) & (places.lat <= lat[-1]) & (turned <= lon[-1])
    values = (3 * rows[:, None] - 2 * np.array(lon)[None]).ravel() + 5
    found = to(source, target, "linear", values)
    np.testing.assert_allclose(found[inner], (3 * places.lat - 2 * turned + 5)[inner], atol=1e-9)


@settings(deadline=None, max_examples=20)
@given(grids, names, st.sampled_from(METHODS), st.integers(0, 50))
def test_order_and_turn_of_the_source_make_no_difference(source, name, method, seed):
    """The same cells from north to south and a turn further west give the same values."""
    values = np.random.default_rng(seed).normal(size=source.size).reshape(source.shape)
    target = targets.named(name)
    lat, lon = source.lat, source.lon
    turned = Grid(
        type(lat)(lat.centres[::-1], lat.cells[::-1]), type(lon)(lon.centres - 360, lon.cells - 360)
    )
    found = to(turned, target, method, values[::-1].ravel())
    np.testing.assert_allclose(found, to(source, target, method, values.ravel()), atol=1e-7)


def test_two_by_two_cells_of_known_areas():
    source = globe(4, 4, 45.0)
    values = np.arange(16.0)
    found = to(source, targets.named("uniform~90x180"), "conservative", values)
    outer, inner = 1 - np.sin(np.pi / 4), np.sin(np.pi / 4)
    south = [outer * 0.5 + inner * 4.5, outer * 2.5 + inner * 6.5]
    north = [inner * 8.5 + outer * 12.5, inner * 10.5 + outer * 14.5]
    np.testing.assert_allclose(found, [*south, *north])


def test_beside_the_outermost_centres_their_values_hold_up_to_the_pole():
    source = globe(3, 4)
    found = to(source, targets.named("uniform~10x90"), "linear", np.repeat([1.0, 2, 3], 4))
    by_row = found.reshape(18, 4)[:, 0]
    np.testing.assert_allclose(by_row[:3], 1)
    np.testing.assert_allclose(by_row[-3:], 3)
    assert 1 < by_row[3] < 2


@pytest.mark.parametrize("method", METHODS)
def test_outside_a_region_the_target_is_missing_and_inside_it_is_not(method):
    source = region(20, 60, -30, 50)
    target = targets.named("uniform~5x5")
    found = to(source, target, method, np.ones(source.size))
    places = target.places()
    turned = (places.lon + 180) % 360 - 180
    inside = (places.lat > 20) & (places.lat < 60) & (turned > -30) & (turned < 50)
    np.testing.assert_array_equal(np.isfinite(found), inside)


def test_missing_cells_are_left_out_and_the_rest_counts_for_all():
    source = globe(4, 4, 45.0)
    values = np.arange(16.0)
    values[[0, 2, 3, 6, 7]] = np.nan
    target = targets.named("uniform~90x180")
    found = to(source, target, "conservative", values)
    outer, inner = 1 - np.sin(np.pi / 4), np.sin(np.pi / 4)
    expected = (0.5 * outer * 1 + inner * 4.5) / (0.5 * outer + inner)
    np.testing.assert_allclose(found[0], expected)
    assert np.isnan(found[1])


def test_linear_needs_half_of_the_weight_and_nearest_its_one_cell():
    source = globe(2, 4)
    values = np.array([1.0, np.nan, 3, 4, 1, np.nan, 3, 4])
    target = targets.of_domain(_row([36.0, 54.0]))
    assert np.isfinite(to(source, target, "linear", values)).tolist() == [True, False]
    assert np.isfinite(to(source, target, "nearest", values)).tolist() == [True, False]
    np.testing.assert_allclose(to(source, target, "linear", values)[0], 1)


def _row(longitudes):
    from_, to_ = longitudes
    return targets.Domain(
        "d",
        (
            targets.Dimension("lat", 0.0, 0.0),
            targets.Dimension("lon", from_, to_, int(to_ - from_)),
        ),
    )


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 5), st.integers(0, 100), st.sampled_from(METHODS), st.booleans())
def test_steps_missing_in_different_places_are_each_computed_for_themselves(
    steps, seed, method, alike
):
    rng = np.random.default_rng(seed)
    source, target = globe(5, 7), targets.named("uniform~30x60")
    values = rng.normal(size=(steps, source.size))
    hidden = rng.random((1 if alike else steps, source.size)) < 0.4
    values[np.broadcast_to(hidden, values.shape)] = np.nan
    together = weights(source, target, method).apply(values)
    for step, found in zip(values, together, strict=True):
        np.testing.assert_allclose(found, to(source, target, method, step), rtol=1e-12)


def test_a_repeated_meridian_counts_once():
    cyclic = Grid(globe(4, 4).lat, cells.longitudes(np.array([0.0, 90, 180, 270, 360]), None))
    values = np.tile([1.0, 2, 3, 4, 1], 4)
    plain = np.tile([1.0, 2, 3, 4], 4)
    for method in METHODS:
        found = to(cyclic, targets.named("uniform~30x60"), method, values)
        expected = to(globe(4, 4), targets.named("uniform~30x60"), method, plain)
        np.testing.assert_allclose(found, expected)


def sphere(count):
    """Return evenly spread points."""
    place = np.arange(count) + 0.5
    golden = np.degrees(np.pi * (1 + 5**0.5) * place) % 360
    return Points(np.degrees(np.arcsin(1 - 2 * place / count)), golden)


def smooth(points):
    return points.vectors() @ [1.0, 2.0, 3.0]


@pytest.mark.parametrize(
    ("source", "method", "error"),
    [(sphere(4000), "linear", 5e-3), (sphere(4000), "nearest", 0.15),
     (globe(60, 120).places(), "linear", 5e-3), (globe(60, 120).places(), "nearest", 0.15)],
)  # fmt: skip
def test_points_anywhere_on_the_globe_reach_all_of_it(source, method, error):
    target = targets.named("uniform~5x5")
    found = to(source, target, method, smooth(source))
    np.testing.assert_allclose(found, smooth(target.places()), atol=error)


def test_points_of_a_region_reach_little_further():
    source = region(20, 60, -30, 50).places()
    target = targets.named("uniform~4x4")
    places = target.places()
    turned = (places.lon + 180) % 360 - 180
    near = (places.lat > 18) & (places.lat < 62) & (turned > -32) & (turned < 52)
    inside = (places.lat > 21) & (places.lat < 59) & (turned > -29) & (turned < 49)
    for method in ("linear", "nearest"):
        found = np.isfinite(to(source, target, method, smooth(source)))
        assert found[inside].all()
        assert not found[~near].any()


def test_points_without_coordinates_are_never_used():
    source = sphere(2000)
    gone = np.arange(2000) % 7 == 0
    partly = Points(np.where(gone, np.nan, source.lat), source.lon)
    values = np.where(gone, 1e6, 1.0)
    for method in ("linear", "nearest"):
        found = to(partly, targets.named("uniform~10x10"), method, values)
        np.testing.assert_allclose(found, 1)


def test_conservative_regridding_of_points_is_refused_with_the_methods_there_are():
    with pytest.raises(InvalidInput, match="use linear or nearest"):
        weights(sphere(50), targets.named("T21"), "conservative")


def test_points_on_a_line_form_no_triangles():
    line = Points(np.linspace(10, 50, 20), np.full(20, 30.0))
    with pytest.raises(InvalidInput, match="use method nearest"):
        weights(line, targets.named("uniform~5x5"), "linear")


def test_limits_are_named(monkeypatch):
    monkeypatch.setattr(scattered, "MAX_TRIANGULATED", 10)
    with pytest.raises(TooLarge, match="51 points; linear regridding joins at most 10"):
        weights(sphere(51), targets.named("T21"), "linear")


def test_weights_of_a_pair_of_grids_are_made_once():
    first = weights(globe(7, 9), targets.named("T21"), "linear")
    assert weights(globe(7, 9), targets.named("t21"), "linear") is first
    assert weights(globe(7, 9), targets.named("T21"), "nearest") is not first


def dense(matrix):
    """Return a sparse matrix with all its zeros."""
    full = np.zeros(matrix.shape)
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.starts))
    full[rows, matrix.columns] = matrix.values
    return full


def renormalised(full, values, least):
    """Return values times a full matrix, missing ones left out."""
    there = np.isfinite(values)
    weights = full @ there.T
    sums = full @ np.where(there, values, 0.0).T
    return np.where(weights >= least, sums / np.where(weights > 0, weights, 1), np.nan).T


@settings(deadline=None, max_examples=40)
@given(
    st.one_of(grids, st.just(region(20, 60, -30, 50, 5.0)), st.just(sphere(300))),
    st.sampled_from(["conservative", "linear", "nearest"]),
    st.sampled_from(["f4", "f8"]),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.integers(0, 100),
)
def test_weights_of_axes_and_of_points_are_those_of_a_full_matrix(
    source, method, dtype, share, seed
):
    rng, target = np.random.default_rng(seed), targets.named("uniform~30x20")
    if method == "conservative" and not isinstance(source, Grid):
        method = "nearest"
    values = rng.normal(size=(3, source.size)).astype(dtype)
    values[1:][rng.random((2, source.size)) < share] = np.nan
    made = weights(source, target, method)
    full = np.kron(dense(made.lat), dense(made.lon)) if isinstance(source, Grid) else None
    full = dense(made.matrix) if full is None else full
    found = made.apply(values, np.dtype(dtype))
    assert found.dtype == dtype
    expected = renormalised(full, values, made.least)
    np.testing.assert_allclose(found, expected, rtol=1e-6 if dtype == "f4" else 1e-12, atol=1e-7)


def test_an_infinite_value_spoils_only_the_cells_it_lies_in():
    source, target = globe(4, 4, 45.0), targets.named("uniform~45x45")
    values = np.ones(16)
    values[5] = np.inf
    found = to(source, target, "conservative", values)
    assert np.flatnonzero(np.isinf(found)).tolist() == [10, 11]
    assert (found[np.isfinite(found)] == 1).sum() == 30


def test_values_at_one_place_of_a_sparse_matrix_are_added_and_slivers_left_out():
    matrix = sparse(
        np.array([0.5, 1e-12, 0.25, 2.0]),
        np.array([2, 0, 2, 0]),
        np.array([1, 1, 1, 0]),
        (3, 2),
        1e-9,
    )
    assert dense(matrix).tolist() == [[2, 0], [0, 0], [0, 0.75]]
    assert matrix.starts.tolist() == [0, 1, 1, 2]
