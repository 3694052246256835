"""Reading NetCDF files at the speed of the hardware, and computing while they are read.

`index` finds where every chunk of a file lies, `reader` reads hyperslabs by that index, in threads
and outside the HDF5 library, and `backend` offers it to xarray as `engine="compute"`. Whatever the
index does not know is left to the NetCDF library.

`field` is an array for xarray that is not computed yet: a tree of nodes (`expression`), which
`evaluation` computes: reductions by `stream`, what they are made into by `mapping`, and `write`
puts that into files. What does not stream becomes dask arrays (`fallback`).
"""
