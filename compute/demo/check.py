"""The numbers of the service against those of xarray reading the files itself."""

import numpy as np
import xarray as xr

from compute.demo.request import Request

TOLERANCE = 1e-5


class DifferenceError(Exception):
    """The service and xarray disagree."""


def direct(request: Request) -> dict[str, xr.DataArray]:
    """Return what each operation of the request must give, computed without the service."""
    coder = xr.coders.CFDatetimeCoder(use_cftime=True)
    parts = [xr.open_dataset(path, decode_times=coder) for path in request.files]
    try:
        array = (
            xr.concat([part[request.variable] for part in parts], "time")
            if (len(parts) > 1)
            else parts[0][request.variable]
        )
        chosen = _choose(array, request).load()
    finally:
        for part in parts:
            part.close()
    return {name: chosen.mean(axes, dtype="float64") for name, axes in request.means.items()}


def compare(expected: xr.DataArray, answer: xr.DataArray, name: str) -> float:
    """Return the largest difference relative to the largest value; raise when it is not tiny."""
    wanted, given = np.asarray(expected), np.asarray(answer)
    if wanted.shape != given.shape:
        raise DifferenceError(f"{name}: shape {given.shape}, xarray gives {wanted.shape}")
    if not np.array_equal(np.isnan(wanted), np.isnan(given)):
        raise DifferenceError(f"{name}: other cells are missing than xarray finds")
    if not np.isfinite(wanted).any():
        return 0.0
    scale = float(np.nanmax(np.abs(wanted))) or 1.0
    difference = float(np.nanmax(np.abs(wanted - given))) / scale
    if difference > TOLERANCE:
        raise DifferenceError(f"{name}: differs from xarray by {difference:.2e} of its largest")
    return difference


def _choose(array: xr.DataArray, request: Request) -> xr.DataArray:
    if request.years:
        array = array.sel(time=slice(*request.years))
    for name, (low, high) in request.box.items():
        if name == "lon" and low < 0:
            array = array.assign_coords(lon=(array.lon + 180) % 360 - 180).sortby("lon")
        array = array.sel({name: slice(low, high)})
    return array
