import numpy as np
import pytest

from compute_tasks.errors import InvalidInput, TooLarge
from compute_tasks.model import CRS, Dimension, Domain
from compute_tasks.regrid import cells, targets
from compute_tasks.regrid.grids import Axis, Grid


def domain(**ends):
    return Domain("d", tuple(Dimension(name, *given) for name, given in ends.items()))


def area(axis):
    return np.diff(np.sin(np.radians(axis.cells)), axis=1)[:, 0]


def test_a_uniform_grid_is_cell_centred_from_the_south_pole_and_from_greenwich():
    grid = targets.named("uniform~2x2.5")
    assert grid.shape == (90, 144)
    assert (grid.lat.centres[0], grid.lat.centres[-1]) == (-89, 89)
    assert (grid.lon.centres[0], grid.lon.centres[-1]) == (1.25, 358.75)
    assert grid.lat.cells[0].tolist() == [-90, -88]
    assert grid.lon.cells[-1].tolist() == [357.5, 360]


@pytest.mark.parametrize(
    ("text", "shape"),
    [("T21", (32, 64)), ("t42", (64, 128)), ("T63", (96, 192)), ("T85", (128, 256)),
     ("gaussian~32", (32, 64)), ("Gaussian~5", (5, 10)), ("uniform~.25x0.5", (720, 720))],
)  # fmt: skip
def test_named_grids_have_the_shape_they_stand_for(text, shape):
    assert targets.named(text).shape == shape


def test_cells_of_a_gaussian_row_have_the_area_of_its_weight():
    grid = targets.named("gaussian~32")
    sines, weights = np.polynomial.legendre.leggauss(32)
    np.testing.assert_allclose(grid.lat.centres, np.degrees(np.arcsin(sines)))
    np.testing.assert_allclose(area(grid.lat), weights, rtol=1e-12)
    assert grid.lat.cells[[0, -1], [0, 1]].tolist() == [-90, 90]
    assert grid.lon.cells[0].tolist() == [-2.8125, 2.8125]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("uniform~7x1", "180 degrees are no whole number of steps of 7"),
        ("uniform~1", "degrees, such as uniform~1x1.25"),
        ("uniform~0x1", "degrees, such as"),
        ("uniform~nanx1", "degrees, such as"),
        ("gaussian~1", "2 or more"),
        ("gaussian~-4", "2 or more"),
        ("cubed~4", "T21, T42, T63, T85"),
    ],
)
def test_a_grid_that_cannot_be_made_is_refused_with_what_can(text, said):
    with pytest.raises(InvalidInput, match=r"grid \"" + text) as caught:
        targets.named(text)
    assert said in caught.value.message


@pytest.mark.parametrize("text", ["uniform~0.01x0.01", "gaussian~1001", "gaussian~99999999999"])
def test_a_grid_of_too_many_cells_is_refused_before_it_is_made(text):
    with pytest.raises(TooLarge, match="at most 2000000"):
        targets.named(text)


def test_the_grid_of_a_domain_has_its_centres_from_start_to_end():
    grid = targets.of_domain(domain(lat=(30, 50, 10), lon=(350, 10, 5)))
    assert grid.lat.centres.tolist() == [30, 40, 50]
    assert grid.lon.centres.tolist() == [350, 355, 360, 365, 370]
    assert grid.lat.cells[0].tolist() == [25, 35]
    descending = targets.of_domain(domain(latitude=(90, -90, 45), longitude=(0, 360, 90)))
    assert descending.lat.centres.tolist() == [90, 45, 0, -45, -90]
    assert descending.lat.cells[0].tolist() == [67.5, 90]
    assert descending.lon.centres.tolist() == [0, 90, 180, 270]


@pytest.mark.parametrize(
    ("ends", "said"),
    [
        ({"lat": (0, 1)}, "for lon"),
        ({"lat": (0, 1), "lon": (None, 1)}, "lon needs start and end"),
        ({"lat": (0, 1), "lon": (0, 1, 1, CRS.INDICES)}, "range of values for lon"),
        ({"lat": (0, 120), "lon": (0, 1)}, "-90 to 90"),
    ],
)
def test_a_domain_without_ranges_of_both_is_no_grid(ends, said):
    with pytest.raises(InvalidInput, match='domain "d" is no grid') as caught:
        targets.of_domain(domain(**ends))
    assert said in caught.value.message


def test_a_domain_of_too_many_points_is_refused():
    with pytest.raises(TooLarge):
        targets.of_domain(domain(lat=(-1e12, 1e12), lon=(0, 1)))


def test_inferred_latitudes_reach_the_poles_and_lie_halfway():
    axis = cells.latitudes(np.degrees(np.arcsin(np.polynomial.legendre.leggauss(32)[0])), None)
    assert (axis.cells[0, 0], axis.cells[-1, 1]) == (-90, 90)
    np.testing.assert_allclose(axis.cells[1:, 0], axis.cells[:-1, 1])
    with_poles = cells.latitudes(np.array([90.0, 0.0, -90.0]), None)
    assert with_poles.cells.tolist() == [[45, 90], [-45, 45], [-90, -45]]
    assert cells.latitudes(np.array([10.0, 20.0]), None).cells.tolist() == [[5, 15], [15, 25]]


def test_inferred_longitudes_cross_greenwich_and_the_date_line():
    for start in (-180.0, 0.0, 175.0):
        centres = (start + 90 * np.arange(4) + 180) % 360 - 180
        axis = cells.longitudes(centres, None)
        assert (axis.cells - centres[:, None]).tolist() == [[-45, 45]] * 4


def test_bounds_of_another_turn_are_put_beside_their_centres():
    bounds = np.array([[359.0, 1.0], [1.0, 3.0], [-357.0, -355.0]])
    axis = cells.longitudes(np.array([0.0, 2.0, 4.0]), bounds)
    assert axis.cells.tolist() == [[-1, 1], [1, 3], [3, 5]]
    whole = cells.longitudes(np.array([180.0]), np.array([[0.0, 360.0]]))
    assert whole.cells.tolist() == [[0, 360]]


def test_bounds_that_make_no_sense_are_inferred_instead():
    lat = np.array([10.0, 20.0, 30.0])
    for bad in (np.zeros((3, 2)), np.full((3, 2), np.nan), np.array([[50.0, 60]] * 3)):
        assert cells.latitudes(lat, bad).cells.tolist() == [[5, 15], [15, 25], [25, 35]]


@pytest.mark.parametrize(
    ("values", "said"), [([10.0], "single point"), ([0.0, 20.0, 10.0], "not in order")]
)
def test_cells_that_cannot_be_inferred_are_refused(values, said):
    with pytest.raises(ValueError, match=said):
        cells.latitudes(np.array(values), None)


def test_grids_are_equal_when_their_numbers_are():
    one, two = targets.named("T21"), targets.named("gaussian~32")
    copied = Grid(*(Axis(a.centres.copy(), a.cells.copy()) for a in (one.lat, one.lon)))
    assert one == two == copied
    assert hash(one) == hash(copied)
    assert one != targets.named("T42")
    assert one != one.places()
