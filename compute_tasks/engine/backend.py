"""The xarray backend: `xarray.open_dataset(path, engine="compute")`.

It imports little: xarray loads the class of every installed backend to open anything at all.
"""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr
from xarray.backends import BackendEntrypoint


class ComputeBackend(BackendEntrypoint):
    """Opens local NetCDF files for fast reading in threads, and everything else as netcdf4 does.

    What it gives is what `engine="netcdf4"` gives. It is used only where it is asked for by name.
    """

    description = "Read NetCDF files by their chunk index, in threads, outside the HDF5 library"

    def open_dataset(
        self,
        filename_or_obj: Any,
        *,
        mask_and_scale: bool = True,
        decode_times: Any = True,
        concat_characters: bool = True,
        decode_coords: Any = True,
        drop_variables: str | Iterable[str] | None = None,
        use_cftime: bool | None = None,
        decode_timedelta: Any = None,
        group: str | None = None,
        index_folder: str | os.PathLike[str] | None = None,
    ) -> xr.Dataset:
        """Open a file lazily; `index_folder` keeps chunk indexes from one process to the next.

        Raises OSError if the file cannot be read or is damaged, as reading from the dataset does.
        """
        # Loads the compiled readers, which only this backend's users should wait for.
        from compute_tasks.engine.store import open_store  # noqa: PLC0415

        return open_store(
            filename_or_obj,
            group,
            Path(index_folder) if index_folder else None,
            mask_and_scale=mask_and_scale,
            decode_times=decode_times,
            concat_characters=concat_characters,
            decode_coords=decode_coords,
            drop_variables=drop_variables,
            use_cftime=use_cftime,
            decode_timedelta=decode_timedelta,
        )
