"""Files whose values are compressed by filters that HDF5 itself does not know."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t, h5z

from compute_tasks import plugins
from compute_tasks.errors import SourceError
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, open_source
from compute_tasks.tests import data

NOBODYS = 32_099
"""A number that no filter has."""
TAS = data.tas(nlat=20, nlon=30)
WRITE = """
import sys, h5py, hdf5plugin
for name in sys.argv[1:]:
    with h5py.File(f"{name}.nc", "r+") as file:
        values = file["tas"][...]
        del file["tas"]
        chunk, filters = (1, *values.shape[1:]), getattr(hdf5plugin, name)()
        stored = file.create_dataset("tas", data=values, chunks=chunk, **filters)
        for place, axis in enumerate(("time", "lat", "lon")):
            stored.dims[place].attach_scale(file[axis])
"""
FILTERS = ("Zstd", "Blosc", "Blosc2", "Bitshuffle", "LZ4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("filters")
    for name in FILTERS:
        data.write(TAS, made / f"{name}.nc")
    # Elsewhere, and without the variable: filters write only for the library they were given to.
    rest = {name: value for name, value in os.environ.items() if name != plugins.FOLDERS}
    subprocess.run([sys.executable, "-c", WRITE, *FILTERS], cwd=made, env=rest, check=True)
    return made


def values(path: Path) -> np.ndarray:
    policy = SourcePolicy(roots=(path.parent,))
    return open_source(Variable("v", "tas", path.name), policy).tas.values


@pytest.mark.parametrize("name", FILTERS)
def test_filters_of_the_plugin_package_are_undone(folder, name):
    np.testing.assert_array_equal(values(folder / f"{name}.nc"), TAS.tas.values)


def test_a_filter_that_is_not_there_is_told_from_damage(tmp_path):
    path, shape = tmp_path / "tas.nc", TAS.tas.shape
    data.write(TAS, path)
    with h5py.File(path, "r+") as file:
        del file["tas"]
        creation = h5p.create(h5p.DATASET_CREATE)
        creation.set_chunk((1, *shape[1:]))
        creation.set_filter(NOBODYS, h5z.FLAG_OPTIONAL, ())
        space = h5s.create_simple(shape)
        stored = h5d.create(file.id, b"tas", h5t.IEEE_F32LE, space, creation)
        stored.write_direct_chunk((0, 0, 0), b"whatever")
        for place, name in enumerate(("time", "lat", "lon")):
            file["tas"].dims[place].attach_scale(file[name])
    with pytest.raises(SourceError, match=r"no filter of HDF5 for; .* hdf5plugin"):
        values(path)
