"""Regridding as requests ask for it: by CDAT.regrid and by the gridder of any operation."""

import json
import uuid

import numpy as np
import pytest
import xarray as xr

from compute_tasks.document import parse
from compute_tasks.errors import InvalidInput, MissingInput, TooLarge
from compute_tasks.plan import build
from compute_tasks.regrid import targets
from compute_tasks.regrid.apply import regrid
from compute_tasks.run import run
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.tests import data

EUROPE = {"id": "europe", "lat": {"start": 30, "end": 70}, "lon": {"start": -20, "end": 40}}


def gridder(grid, method="conservative", tool="esmf"):
    return {"tool": tool, "method": method, "grid": grid}


def operation(process, *inputs, **more):
    return {"name": f"CDAT.{process}", "result": "r", "input": list(inputs or ["v0"]), **more}


def planned(*operations, domain=(EUROPE,), identifier=None):
    texts = {
        "variable": json.dumps(
            [{"uri": f"{n}.nc", "id": f"tas|{n}"} for n in ("v0", "v1", "both")]
        ),
        "domain": json.dumps([*domain, {"id": "both"}]),
        "operation": json.dumps(operations),
    }
    return build(parse(identifier or operations[0]["name"], **texts))


@pytest.fixture
def compute(tmp_path):
    """Return a function that runs operations on datasets given by name."""

    def execute(operations, domain=(), **sources):
        paths = {n: data.write(d, tmp_path / f"{n}.nc") for n, d in sources.items()}
        variables = [
            {"uri": str(paths[n]), "id": f"{next(iter(d.data_vars))}|{n}"}
            for n, d in sources.items()
        ]
        texts = {
            "variable": json.dumps(variables),
            "domain": json.dumps(list(domain)),
            "operation": json.dumps(operations),
        }
        (output,) = run(
            build(parse(operations[0]["name"], **texts)),
            sources=SourcePolicy(roots=(tmp_path,)),
            workspace=tmp_path / "workspace",
            destination=tmp_path / "out",
            uid=uuid.uuid4().hex,
            provenance={},
            report=lambda percent, message: None,
            cancelled=lambda: False,
        )
        coder = xr.coders.CFDatetimeCoder(use_cftime=True)
        return xr.open_dataset(output.path, decode_times=coder, decode_coords="all").load()

    return execute


@pytest.mark.parametrize("way", ["parameters", "gridder"])
def test_regrid_takes_its_grid_from_parameters_or_from_a_gridder(compute, way):
    asked = {"gridder": gridder("T21")}
    if way == "parameters":
        asked = {"grid": "t21", "method": "Conservative"}
    found = compute([operation("regrid", **asked)], v0=data.tas(missing=True))
    expected = regrid(data.tas(missing=True), targets.named("T21"), "conservative")
    np.testing.assert_allclose(found.tas, expected.tas, rtol=1e-6)
    np.testing.assert_array_equal(found.lat_bnds, expected.lat_bnds)
    assert found.lat.attrs["standard_name"] == "latitude"
    assert f"CDAT.regrid(conservative to grid {asked.get('grid', 'T21')})" in found.attrs["history"]


def test_without_a_method_parameter_it_is_linear():
    assert planned(operation("regrid", grid="T21")).steps[0].gridder.method == "linear"
    assert planned(operation("regrid", grid="T21", method="bilinear")).steps[0].gridder.method == (
        "linear"
    )


def test_a_gridder_regrids_the_inputs_of_any_process_before_it(compute):
    coarse, fine = data.tas(nlat=6, nlon=8), data.tas(nlat=12, nlon=24)
    found = compute(
        [operation("subtract", "v0", "v1", gridder=gridder("uniform~30x60"))], v0=coarse, v1=fine
    )
    target = targets.named("uniform~30x60")
    one, two = (regrid(d, target, "conservative").tas for d in (coarse, fine))
    np.testing.assert_allclose(found.tas, one - two, atol=1e-4)


def test_a_domain_selects_from_the_input_and_from_the_target(compute):
    source = data.tas(nlat=90, nlon=180)
    found = compute(
        [operation("subset", domain="europe", gridder=gridder("uniform~5x5"))], [EUROPE], v0=source
    )
    assert found.lat.values.tolist() == [32.5, 37.5, 42.5, 47.5, 52.5, 57.5, 62.5, 67.5]
    assert found.lon.values.tolist() == [-17.5 + 5 * n for n in range(12)]
    whole = regrid(source, targets.named("uniform~5x5"), "conservative").tas
    inner = whole.sel(lat=found.lat[1:-1], lon=found.lon[1:-1] % 360)
    np.testing.assert_allclose(found.tas[:, 1:-1, 1:-1], inner, rtol=1e-6)
    assert np.isfinite(found.tas).all()


def test_the_stride_of_a_domain_is_for_the_input_only(compute):
    domain = {**EUROPE, "lon": {"start": -20, "end": 40, "step": 2}}
    source = data.tas(nlat=90, nlon=180)
    asked = operation("subset", domain="europe", gridder=gridder("uniform~5x5", "nearest"))
    found = compute([asked], [domain], v0=source)
    assert found.lon.values.tolist() == [-17.5 + 5 * n for n in range(12)]


def test_joining_comes_after_regridding_and_the_domain_last(compute):
    pieces = {"v0": data.tas((2000,), nlat=6), "v1": data.tas((2001,), nlat=12)}
    domain = {**EUROPE, "time": {"start": 11, "end": 13, "crs": "indices"}}
    found = compute(
        [operation("aggregate", *pieces, domain="europe", gridder=gridder("uniform~10x10"))],
        [domain],
        **pieces,
    )
    assert found.tas.shape == (2, 4, 6)
    last = regrid(pieces["v0"], targets.named("uniform~10x10"), "conservative").tas[-1]
    expected = last.sel(lat=found.lat, lon=found.lon % 360)
    np.testing.assert_allclose(found.tas[0], expected, rtol=1e-6)


def test_the_grid_of_another_variable_is_read_from_its_file(compute):
    other = data.sftlf(nlat=9, nlon=10)
    found = compute(
        [operation("regrid", gridder=gridder("mask", "linear", "regrid2"))],
        v0=data.tas(),
        mask=other,
    )
    np.testing.assert_array_equal(found.lat, other.lat)
    np.testing.assert_array_equal(found.lon_bnds, other.lon_bnds)
    assert "mask.nc" in found.attrs["source_files"]


def test_the_grid_of_a_domain_is_its_points(compute):
    found = compute([operation("regrid", grid="europe")], [EUROPE], v0=data.tas(nlat=36, nlon=72))
    assert found.lat.values.tolist() == list(range(30, 71))
    assert found.lon.values.tolist() == list(range(-20, 41))


def test_the_grid_of_a_mesh_is_no_target(compute):
    lat, lon = np.meshgrid(np.arange(3.0), np.arange(4.0), indexing="ij")
    mesh = xr.Dataset(
        {"m": (("j", "i"), lat)},
        {
            "lat": (("j", "i"), lat, {"units": "degrees_north"}),
            "lon": (("j", "i"), lon, {"units": "degrees_east"}),
        },
    )
    with pytest.raises(InvalidInput, match=r"CDAT.regrid \(r\): the grid of \"mesh\" has no rows"):
        compute([operation("regrid", grid="mesh")], v0=data.tas(), mesh=mesh)


def test_the_gridder_of_a_workflow_is_for_the_variables_of_its_operations():
    steps = {
        step.name: step
        for step in planned(
            {"name": "CDAT.workflow", "result": "w", "input": ["m"], "gridder": gridder("T42")},
            {"name": "CDAT.mean", "result": "m", "input": ["s"]},
            {"name": "CDAT.subset", "result": "s", "input": ["v0"]},
            {"name": "CDAT.add", "result": "a", "input": ["s", "v1"], "gridder": gridder("T85")},
        ).steps
    }
    assert steps["m"].gridder is None
    assert (steps["s"].gridder.grid, steps["s"].regridded) == ("T42", {"v0"})
    assert (steps["a"].gridder.grid, steps["a"].regridded) == ("T85", {"s", "v1"})


def test_regrid_in_a_workflow_takes_the_gridder_of_the_workflow():
    plan = planned(
        {"name": "CDAT.workflow", "result": "w", "input": ["r"], "gridder": gridder("T42")},
        {"name": "CDAT.regrid", "result": "r", "input": ["s"]},
        {"name": "CDAT.subset", "result": "s", "input": ["v0"], "gridder": gridder("T85")},
    )
    assert [(s.name, s.gridder.grid) for s in plan.steps] == [("s", "T85"), ("r", "T42")]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"gridder": gridder("T84")}, "uniform~DYxDX, gaussian~N, T21, T42, T63, T85, a variable"),
        ({"gridder": gridder("T84")}, "(v0, v1, both) or a domain (europe, both)"),
        ({"gridder": gridder("both")}, "names both a variable and a domain"),
        ({"gridder": gridder("uniform~1")}, "degrees, such as"),
        ({"gridder": gridder("T21", method="patch")}, "patch recovery is not offered"),
        ({"gridder": gridder("T21", method="cubic")}, "give one of conservative, linear, nearest"),
        ({"gridder": gridder("T21", tool="libcf")}, 'tool "libcf": give one of regrid2, esmf'),
        ({"gridder": gridder("T21"), "grid": "T42"}, "give one of them"),
    ],
)
def test_a_gridder_that_cannot_be_used_is_refused_with_what_can(asked, said):
    with pytest.raises(InvalidInput) as caught:
        planned(operation("regrid", **asked))
    assert said in caught.value.message
    assert caught.value.message.startswith("CDAT.regrid (r): ")
    assert caught.value.message.count("CDAT.regrid") == 1
    assert caught.value.locator == "operation"


def test_parameters_are_refused_by_their_name():
    for name, text in (("method", "patch"), ("tool", "scrip")):
        with pytest.raises(InvalidInput, match="give one of") as caught:
            planned(operation("regrid", **{"grid": "T21", name: text}))
        assert caught.value.locator == name


@pytest.mark.parametrize("given", [{}, {"method": "nearest"}])
def test_regrid_needs_a_grid(given):
    with pytest.raises(MissingInput, match="the parameter 'grid' or a gridder") as caught:
        planned(operation("regrid", **given))
    assert caught.value.locator == "grid"


def test_a_grid_of_too_many_cells_is_refused_before_a_file_is_opened():
    with pytest.raises(TooLarge, match=r"CDAT.mean \(r\): grid .* at most 2000000"):
        planned(operation("mean", gridder=gridder("uniform~0.1x0.1")))


def test_groups_are_not_regridded():
    groups = {"name": "CDAT.groupby_bins", "result": "g", "input": ["v0"], "bins": "0|1"}
    with pytest.raises(InvalidInput, match="cannot regrid groups; give the gridder to g"):
        planned(operation("mean", "g", gridder=gridder("T21")), groups)


def test_the_gridder_of_a_workflow_is_checked():
    with pytest.raises(InvalidInput, match=r"CDAT.workflow \(w\): gridder: method"):
        planned(
            {
                "name": "CDAT.workflow",
                "result": "w",
                "input": ["s"],
                "gridder": gridder("T42", "x"),
            },
            {"name": "CDAT.subset", "result": "s", "input": ["v0"], "gridder": gridder("T85")},
        )
