"""Results as CF NetCDF files: names, encoding, provenance, splitting."""
