"""The example results the tests serve: every shape and type a result may have."""

from pathlib import Path

import netCDF4
import numpy as np

DOCUMENT = '<wps:Execute a="1">\n  <Data>[{"uri": "a\\\\b.nc"}]</Data> ° é\n</wps:Execute>'


def write_examples(folder: Path) -> None:
    write_fields(folder / "fields.nc")
    write_odd(folder / "odd.nc")
    write_classic(folder / "classic.nc")
    write_large(folder / "large.nc")
    (folder / "table.csv").write_text("year,tas\n2000,288.1\n")
    (folder / "broken.nc").write_bytes(b"not a netCDF file")


def write_fields(path: Path) -> None:
    """Fields of 2 to 4 dimensions, one packed, with coordinates, bounds and a noleap axis."""
    random = np.random.default_rng(1)
    with netCDF4.Dataset(path, "w") as file:
        for name, size in {"time": None, "plev": 3, "lat": 6, "lon": 8, "bnds": 2}.items():
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time.setncatts({"units": "days since 1850-01-01", "calendar": "noleap"})
        time.bounds = "time_bnds"
        time[:] = np.arange(20) + 0.5
        bounds = file.createVariable("time_bnds", "f8", ("time", "bnds"))
        bounds[:] = np.stack([np.arange(20), np.arange(20) + 1], axis=-1)
        axes = {"plev": [1e5, 5e4, 1e4], "lat": np.linspace(-75, 75, 6), "lon": np.arange(8) * 45.0}
        for name, values in axes.items():
            file.createVariable(name, "f8", (name,))[:] = values
        file["lat"].setncatts({"units": "degrees_north", "standard_name": "latitude"})
        tas = file.createVariable("tas", "f4", ("time", "lat", "lon"), fill_value=1e20, zlib=True)
        tas.setncatts({"units": "K", "valid": np.array([0.1, 1 / 3, np.pi], "f4")})
        values = random.normal(280, 10, (20, 6, 8)).astype("f4")
        values[3, 2, 1] = 1e20
        tas[:] = values
        ta = file.createVariable("ta", "f8", ("time", "plev", "lat", "lon"), fill_value=-99.9)
        ta.missing_value = -99.9
        ta[:] = random.normal(250, 10, (20, 3, 6, 8))
        packed = file.createVariable("packed", "i2", ("lat", "lon"), fill_value=-32768)
        packed.set_auto_maskandscale(False)
        packed.setncatts({"scale_factor": 0.01, "add_offset": 273.15})
        packed[:] = random.integers(-32768, 32767, (6, 8))
        file.createVariable("height", "f8").assignValue(2.0)
        file.setncatts({"title": 'a "quoted" \\ title', "third": 1 / 3, "numbers": np.arange(3)})
        file.setncattr("provenance.wps_document", DOCUMENT)


def write_odd(path: Path) -> None:
    """Every type of number and text, odd names, and what DAP2 cannot show."""
    with netCDF4.Dataset(path, "w") as file:
        for name, size in {"x": 5, "letters": 70, "records": 0, "odd.name": 2}.items():
            file.createDimension(name, size)
        numbers, reals = [0, 1, 2, 100, 127], [0.1, -1, 3, np.nan, np.inf]
        for kind in ("i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8", "i8", "u8"):
            values = np.array(reals if kind[0] == "f" else numbers)
            file.createVariable(f"v_{kind}", kind, ("x",))[:] = values
            file.createVariable(f"s_{kind}", kind).assignValue(values[3])
        negative = file.createVariable("negative", "i1", ("x",), fill_value=-128)
        negative.set_auto_maskandscale(False)
        negative[:] = [-128, -1, 0, 1, 127]
        high = file.createVariable("high_u2", "u2", ("x",), fill_value=65535)
        high.set_auto_maskandscale(False)
        high[:] = [65535, 65534, 0, 1, 2]
        file.createVariable("high_u1", "u1", ("x",))[:] = [255, 128, 0, 1, 2]
        meant = file.createVariable("meant_u1", "i1", ("x",))
        meant.set_auto_maskandscale(False)
        meant._Unsigned = "true"
        meant[:] = [-1, -128, 0, 1, 2]
        large = file.createVariable("large", "i8", ("x",), fill_value=-1)
        large[:] = [1 << 40, -(1 << 40), 5, 6, 7]
        file.createVariable("high_u4", "u4", ("x",))[:] = [4294967295, 0, 1, 2, 3]
        file.createVariable("big_endian", ">f4", ("x",), endian="big")[:] = np.arange(5) / 7
        words = np.array(["", "a", "long " * 20, "four", "fives"], dtype=object)
        file.createVariable("words", str, ("x",))[:] = words
        file.createVariable("word", str)[...] = "alone"
        file.createVariable("letters_of", "S1", ("x", "letters"))[:] = netCDF4.stringtochar(
            np.array(["one", "two", "y" * 70, "", "five"], "S70")
        )
        file.createVariable("letter", "S1")[...] = b"q"
        file.createVariable("empty", "f4", ("records",))
        file.createVariable("a name.with dots", "f4", ("odd.name",))[:] = [1, 2]
        pairs = file.createCompoundType(np.dtype([("a", "f4"), ("b", "i4")]), "pair")
        file.createVariable("compound", pairs, ("x",))


def write_classic(path: Path) -> None:
    """A file of the other output format."""
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_OFFSET") as file:
        file.createDimension("time", None)
        file.createDimension("lat", 4)
        file.createVariable("time", "f8", ("time",))[:] = np.arange(7)
        file.createVariable("pr", "f4", ("time", "lat"))[:] = np.arange(28).reshape(7, 4)


def write_large(path: Path) -> None:
    """One variable above the size the tests allow in one answer."""
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 50_000)
        file.createVariable("x", "f8", ("x",))[:] = np.arange(50_000)
