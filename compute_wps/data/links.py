"""Where a result can be fetched."""

from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class Links:
    """The addresses of one file: plain download and OPeNDAP."""

    http: str
    opendap: str


def links(base_url: str, path: str, thredds_url: str = "") -> Links:
    """Return the addresses of a result.

    `base_url` is the service's address without a path, `path` is `<owner>/<job>/<file>`.
    `thredds_url`, when given, is the dodsC address of a THREDDS server for the same folder.
    """
    name = quote(path)
    own = f"{base_url.rstrip('/')}/data"
    if not thredds_url:
        return Links(http=f"{own}/fileServer/{name}", opendap=f"{own}/dodsC/{name}")
    opendap = f"{thredds_url.rstrip('/')}/{name}"
    downloads = opendap.replace("/dodsC/", "/fileServer/", 1)
    has_downloads = downloads != opendap
    return Links(http=downloads if has_downloads else f"{own}/fileServer/{name}", opendap=opendap)
