"""The DAP2 server as xarray sees it through both of its clients."""

from concurrent.futures import ThreadPoolExecutor

import netCDF4
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from xarray.coders import CFDatetimeCoder

from compute_tasks.model import Variable
from compute_tasks.sources import open_source
from compute_tasks.sources.policy import SourcePolicy
from compute_wps.data.tests.examples import DOCUMENT

ENGINES = ["netcdf4", "pydap"]
pytestmark = pytest.mark.filterwarnings("ignore:PyDAP was unable to determine the DAP protocol")
SHAPES = {"time": (20,), "lat": (6,), "packed": (6, 8), "tas": (20, 6, 8), "ta": (20, 3, 6, 8)}


def opened(source, engine="netcdf4", **options):
    return xr.open_dataset(source, engine=engine, **options)


@st.composite
def hyperslabs(draw):
    name = draw(st.sampled_from(sorted(SHAPES)))
    slices = []
    for size in SHAPES[name]:
        first = draw(st.integers(0, size - 1))
        last = draw(st.integers(first, size - 1))
        slices.append(slice(first, last + 1, draw(st.integers(1, size))))
    return name, tuple(slices)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["fields.nc", "classic.nc"])
def test_a_dataset_is_the_same_over_opendap_as_from_the_file(data_server, engine, name):
    times = CFDatetimeCoder(use_cftime=True)
    with (
        opened(data_server.dods(name), engine, decode_times=times) as remote,
        opened(data_server.folder / name, decode_times=times) as local,
    ):
        xr.testing.assert_equal(remote.load(), local.load())
        assert {n: v.dtype for n, v in remote.items()} == {n: v.dtype for n, v in local.items()}


@pytest.mark.parametrize("engine", ENGINES)
def test_the_calendar_of_the_time_axis_arrives(data_server, engine):
    with opened(
        data_server.dods("fields.nc"), engine, decode_times=CFDatetimeCoder(use_cftime=True)
    ) as remote:
        assert remote.time.values[0].calendar == "noleap"


@pytest.mark.parametrize("engine", ENGINES)
def test_numbers_of_every_type_and_size_arrive(data_server, engine):
    with (
        opened(data_server.dods("odd.nc"), engine) as remote,
        opened(data_server.folder / "odd.nc") as local,
    ):
        names = [name for name in local if local[name].dtype.kind in "iuf" and name[0] != "a"]
        names.remove("empty")
        assert len(names) > 20
        for name in names:
            np.testing.assert_array_equal(remote[name].values, local[name].values, err_msg=name)


@pytest.mark.parametrize("engine", ENGINES)
def test_texts_arrive_uncut(data_server, engine):
    with opened(data_server.dods("odd.nc"), engine) as remote:
        assert remote.words.astype(str).values.tolist() == ["", "a", "long " * 20, "four", "fives"]
        assert remote.word.astype(str).item() == "alone"
        assert remote.letters_of.astype(str).values.tolist() == ["one", "two", "y" * 70, "", "five"]
        assert remote.letter.astype(str).item() == "q"


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(slab=hyperslabs())
def test_any_hyperslab_equals_the_same_of_the_file(data_server, engine, slab):
    name, key = slab
    options = {"decode_times": False, "mask_and_scale": False}
    with (
        opened(data_server.dods("fields.nc"), engine, **options) as remote,
        opened(data_server.folder / "fields.nc", **options) as local,
    ):
        np.testing.assert_array_equal(remote[name][key].values, local[name][key].values)


def test_attributes_arrive_exactly(data_server):
    with (
        netCDF4.Dataset(data_server.dods("fields.nc")) as remote,
        netCDF4.Dataset(data_server.folder / "fields.nc") as local,
    ):
        for name, variable in local.variables.items():
            for attribute in variable.ncattrs():
                got, want = remote[name].getncattr(attribute), variable.getncattr(attribute)
                np.testing.assert_array_equal(got, want)
                if attribute == "_FillValue":
                    assert got.dtype == variable.dtype
        for attribute in local.ncattrs():
            np.testing.assert_array_equal(
                remote.getncattr(attribute), local.getncattr(attribute), err_msg=attribute
            )
        assert remote.getncattr("provenance.wps_document") == DOCUMENT


def test_the_unlimited_dimension_is_known(data_server):
    with netCDF4.Dataset(data_server.dods("fields.nc")) as remote:
        assert [name for name, axis in remote.dimensions.items() if axis.isunlimited()] == ["time"]


def test_many_readers_at_once_all_get_the_right_values(data_server):
    with opened(data_server.folder / "fields.nc", mask_and_scale=False) as local:
        wanted = local.ta.values

    def read(number):
        with opened(data_server.dods("fields.nc"), "pydap", mask_and_scale=False) as remote:
            return np.array_equal(remote.ta[number % 20].values, wanted[number % 20])

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(64)))


@pytest.mark.parametrize("name", ["tas", "ta", "packed", "height"])
def test_a_result_can_be_the_input_of_another_request(data_server, name):
    policy = SourcePolicy(roots=(data_server.folder,), allowed_hosts=frozenset({"*"}))
    remote, local = (
        open_source(Variable("input", name, uri), policy)
        for uri in (data_server.dods("fields.nc"), str(data_server.folder / "fields.nc"))
    )
    xr.testing.assert_equal(remote.load(), local.load())
