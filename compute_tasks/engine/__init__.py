"""Reading NetCDF files at the speed of the hardware.

`index` finds where every chunk of a file lies, `reader` reads hyperslabs by that index, in threads
and outside the HDF5 library, and `backend` offers it to xarray as `engine="compute"`. Whatever the
index does not know is left to the NetCDF library.
"""
