"""A picture of results: maps for two dimensions, lines for one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, LINE, TREND = "#1f2933", "#9fb3c8", "#c2410c"
STYLE: Any = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
KELVIN = 273.15
ROUGHLY_A_YEAR = 365


def draw(results: Mapping[str, xr.DataArray], title: str, path: Path) -> None:
    """Draw every result beside the others and save the picture as PNG."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.8 * len(results), 4.2), dpi=150, layout="constrained")
        panels = figure.subplots(1, len(results), squeeze=False)[0]
        for panel, array in zip(panels, results.values(), strict=True):
            _panel(figure, panel, _celsius(array))
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
        figure.savefig(path)


def _panel(figure: Figure, panel: Axes, array: xr.DataArray) -> None:
    array = array.squeeze(drop=True)
    while array.ndim > 2:
        array = array[0]
    if array.ndim == 2:
        _map(figure, panel, array)
    elif array.ndim == 1:
        _series(panel, array)
    else:
        panel.text(0.5, 0.5, f"{float(array):.6g} {array.attrs.get('units', '')}", ha="center")
        panel.set_axis_off()


def _map(figure: Figure, panel: Axes, array: xr.DataArray) -> None:
    y, x = (_coordinate(array, str(dim)) for dim in array.dims)
    values = np.ma.masked_invalid(array.values)
    image = panel.pcolormesh(x, y, values, cmap="RdYlBu_r", shading="nearest", rasterized=True)
    panel.set(xlabel=str(array.dims[1]), ylabel=str(array.dims[0]), title="Mean over time")
    figure.colorbar(image, ax=panel, label=array.attrs.get("units", ""), shrink=0.85)


def _series(panel: Axes, array: xr.DataArray) -> None:
    dim = str(array.dims[0])
    x = _coordinate(array, dim)
    panel.plot(x, array.values, color=LINE, linewidth=0.7)
    if array.size > 2 * ROUGHLY_A_YEAR:
        running = array.rolling({dim: ROUGHLY_A_YEAR}, center=True).mean()
        panel.plot(x, running.values, color=TREND, linewidth=2, label="running year")
        panel.legend(frameon=False, loc="upper left")
    panel.set(xlabel="year" if _is_time(array, dim) else dim, ylabel=array.attrs.get("units", ""))
    panel.set_title("Mean over the region")
    panel.ticklabel_format(axis="x", useOffset=False)
    panel.locator_params(axis="x", nbins=5)
    panel.grid(axis="y", alpha=0.3)


def _is_time(array: xr.DataArray, dim: str) -> bool:
    return dim in array.coords and array[dim].dtype == object


def _coordinate(array: xr.DataArray, dim: str) -> np.ndarray:
    if dim not in array.coords:
        return np.arange(array.sizes[dim])
    if not _is_time(array, dim):
        return np.asarray(array[dim].values)
    return np.asarray(array[dim].dt.decimal_year)


def _celsius(array: xr.DataArray) -> xr.DataArray:
    if array.attrs.get("units") != "K":
        return array
    return (array - KELVIN).assign_attrs(array.attrs | {"units": "°C"})
