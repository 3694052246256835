"""A DAP2 (OPeNDAP) server for netCDF files.

`dataset` reads what a file holds into the values of `model`, `constraint` turns a constraint
expression into projections of it, `text` writes the DDS, DAS and error documents, `xdr` streams the
data. Nothing here knows HTTP or Django.
"""
