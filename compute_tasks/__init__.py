"""The science: climate data in, xarray and dask, NetCDF out; knows no server."""

from compute_tasks import plugins

# Before anything loads the HDF5 library.
plugins.offer()
