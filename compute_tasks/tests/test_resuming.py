"""Runs that are cut off go on where they were, and end in the same bytes."""

import json
import os
import signal

import dask
import netCDF4
import numpy as np
import pytest
import xarray as xr

from compute_tasks import parts as kept
from compute_tasks import run as running
from compute_tasks.document import parse
from compute_tasks.engine import blocks, boxes
from compute_tasks.outputs.files import LOCK, Result, write
from compute_tasks.parts import Parts, Stopped
from compute_tasks.plan import build
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.tests import data

STEPS = 365
CASES = {
    "mean": ("CDAT.mean", {"axes": "time"}, {}),
    "std": ("CDAT.std", {"axes": "time"}, {}),
    "max over space": ("CDAT.max", {"axes": "lat|lon"}, {}),
    "monthly": ("CDAT.climatology", {"freq": "month"}, {}),
    "subset": ("CDAT.subset", {}, {}),
    "subset netcdf3": ("CDAT.subset", {}, {"format": "netcdf3"}),
}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "tas.nc"
    year = data.tas((2000,), frequency="day", nlat=24, nlon=36)
    year["tas"] = year.tas + np.random.default_rng(1).normal(size=year.tas.shape).astype("f4")
    return data.write(year, path, chunksizes=(1, 24, 36))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    """Cut so small a file into as many pieces as a large one has, and save after each."""
    monkeypatch.setattr(kept, "RARITY", 0)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 1 << 14)
    monkeypatch.setattr(blocks, "UNIT_BYTES", 1 << 16)
    monkeypatch.setattr(blocks, "STATE_SHARE", 1)
    monkeypatch.setattr(boxes, "READ_BYTES", 1 << 16)
    monkeypatch.setattr(running, "MEMORY_BYTES", 1 << 20)


class Case:
    """One request on the source, run as often as wanted."""

    def __init__(self, folder, source, process, parameters, options):
        self.folder, self.source, self.options = folder, source, options
        self.operation = {"name": process, "result": "op0", "input": ["v0"], **parameters}

    def parts(self, **more):
        return Parts(self.folder / "parts", "run", **{"seconds": 0.0, **more})

    def run(self, parts, name="out"):
        texts = {
            "variable": json.dumps([{"uri": str(self.source), "id": "tas|v0"}]),
            "domain": "[]",
            "operation": json.dumps([self.operation]),
        }
        (output,) = running.run(
            build(parse(self.operation["name"], **texts)),
            sources=SourcePolicy(roots=(self.source.parent,)),
            workspace=self.folder,
            destination=self.folder / name,
            uid="0123456789",
            provenance={},
            threads=2,
            parts=parts,
            report=lambda percent, message: None,
            cancelled=lambda: False,
            **self.options,
        )
        return numbers(output.path)

    def killed(self, saves):
        """Run in a process that is killed when it has saved so often."""
        child = os.fork()
        if not child:
            save, count = kept._write, iter(range(saves, -1, -1))

            def last(*arguments):
                if not next(count):
                    os.kill(os.getpid(), signal.SIGKILL)
                save(*arguments)

            kept._write = last
            try:
                self.run(self.parts())
            finally:
                os._exit(1)
        assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def numbers(path):
    """Return all that is stored in a file but its history, bit for bit."""
    with xr.open_dataset(path, decode_cf=False) as stored:
        return {str(n): (v.dims, str(v.dtype), v.values.tobytes()) for n, v in stored.items()}


@pytest.fixture(params=CASES)
def case(request, tmp_path, source):
    return Case(tmp_path, source, *CASES[request.param])


@pytest.fixture
def read(monkeypatch):
    """The number of bytes read of the source since the list was emptied, read by read."""
    sizes, preadv = [], os.preadv

    def counted(descriptor, buffers, offset):
        sizes.append(preadv(descriptor, buffers, offset))
        return sizes[-1]

    monkeypatch.setattr("compute_tasks.engine.bytes.os.preadv", counted)
    return sizes


def test_a_killed_run_goes_on_where_it_was_and_ends_in_the_same_bytes(case, read):
    expected = case.run(Parts())
    whole = sum(read)
    case.killed(saves=3)
    case.killed(saves=1)
    read.clear()
    said = []
    parts = case.parts(notice=said.append)
    assert case.run(parts) == expected
    total = int(said[-1].split()[3])
    assert said == [f"resumed: 4 of {total} parts were there"]
    assert total > 5
    assert sum(read) < whole * (total - 3) / total
    read.clear()
    assert case.run(case.parts()) == expected
    assert sum(read) < whole / total


def test_a_damaged_part_is_computed_again(case):
    expected = case.run(Parts())
    case.killed(saves=4)
    for path in (case.folder / "parts").glob("*.part"):
        path.write_bytes(path.read_bytes()[:-5])
    parts = case.parts()
    assert case.run(parts) == expected
    assert parts.counts.damaged > 0


def test_a_run_that_is_to_stop_stops_at_the_next_part_and_loses_nothing(case):
    expected = case.run(Parts())
    asked = iter([False, False, False, True])
    with pytest.raises(Stopped):
        case.run(case.parts(seconds=1e9, stopping=lambda: next(asked)), "stopped")
    assert not list(case.folder.glob("stopped/*"))
    parts = case.parts()
    assert case.run(parts) == expected
    assert parts.counts.resumed == 4


def test_a_short_run_leaves_no_parts(case):
    case.run(case.parts(seconds=5.0))
    assert not (case.folder / "parts").exists()


def test_another_run_takes_no_parts_of_this_one(case):
    case.killed(saves=3)
    other = Parts(case.folder / "parts", "another run", seconds=0.0)
    case.run(other)
    assert other.counts.resumed == 0


class Stored:
    """A dask array in eight blocks that is written to a file."""

    def __init__(self, folder):
        self.folder, self.computed = folder, []
        self.values = np.random.default_rng(2).random((80, 50))

    def parts(self, **more):
        return Parts(self.folder / "parts", "run", **{"seconds": 0.0, **more})

    def write(self, parts):
        def block(values):
            self.computed.append(values.shape)
            return values + 1

        lazy = xr.Dataset({"tas": (("t", "x"), self.values)}).chunk({"t": 20, "x": 25})
        lazy["tas"] = lazy.tas.copy(
            data=lazy.tas.data.map_blocks(block, dtype="f8", meta=np.ones(0))
        )
        (output,) = write(
            [Result("o", "p", lazy)],
            self.folder / "out",
            uid="0123456789",
            format="netcdf4",
            split_bytes=0,
            compute=lambda graph: dask.compute(graph, scheduler="sync"),
            stream=lambda fields, guard: None,
            finishing=lambda count: None,
            parts=parts,
        )
        with LOCK, netCDF4.Dataset(output.path) as file:
            np.testing.assert_array_equal(file["tas"][:], self.values + 1)


def test_blocks_of_a_dask_array_that_were_stored_are_not_computed_again(tmp_path):
    stored = Stored(tmp_path)
    asked = iter([False, False, True])
    with pytest.raises(Stopped):
        stored.write(stored.parts(stopping=lambda: next(asked)))
    assert len(stored.computed) == 3
    said = []
    stored.write(stored.parts(notice=said.append))
    assert said == ["resumed: 3 of 8 parts were there"]
    assert len(stored.computed) == 8
    stored.write(stored.parts())
    assert len(stored.computed) == 8
