"""The science: climate data in, xarray and dask, NetCDF out; knows no server."""
