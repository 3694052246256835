"""THREDDS catalogs of results, as XML and as a page.

A job's catalog lists its files. The top one names the services only: whoever knows a job's address
may fetch its results, so no catalog tells the address of somebody else's.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from django.utils.html import format_html, format_html_join
from lxml import etree

from compute_wps.data.files import NETCDF
from compute_wps.data.links import Links
from compute_wps.data.pages import page

NAMESPACE = "http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file in a catalog: `path` is `<owner>/<job>/<file>`, `size` is in bytes."""

    path: str
    size: int
    modified: datetime
    links: Links

    @property
    def name(self) -> str:
        """Return the file's name."""
        return self.path.rpartition("/")[2]

    @property
    def has_opendap(self) -> bool:
        """Tell whether the file is also offered by OPeNDAP."""
        return self.path.endswith(NETCDF)


def entry(file: Path, path: str, addresses: Links) -> Entry:
    """Return the catalog entry of a file."""
    status = file.stat()
    modified = datetime.fromtimestamp(int(status.st_mtime), UTC)
    return Entry(path, status.st_size, modified, addresses)


def xml(title: str, bases: Links, job: str | None, entries: Iterable[Entry]) -> bytes:
    """Return an InvCatalog 1.0 document; `bases` are the addresses that paths are appended to."""
    root = etree.Element(_tag("catalog"), name=title, version="1.0.1", nsmap={None: NAMESPACE})
    services = _add(root, "service", name="all", serviceType="Compound", base="")
    _add(services, "service", name="opendap", serviceType="OPENDAP", base=bases.opendap)
    _add(services, "service", name="http", serviceType="HTTPServer", base=bases.http)
    if job is not None:
        dataset = _add(root, "dataset", name=job, ID=job)
        metadata = _add(dataset, "metadata", inherited="true")
        _add(metadata, "serviceName", "all")
        for item in entries:
            _add_entry(dataset, item)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def html(title: str, job: str | None, entries: Iterable[Entry]) -> str:
    """Return a page that links each file of a job; the top one says where those pages are."""
    if job is None:
        text = "The files of a job are listed in its own catalog, catalog/<owner>/<job>/"
        return page(title, format_html("<p>{}</p>", text))
    rows = format_html_join(
        "\n",
        '<tr><td>{}</td><td class="number">{}</td><td>{}</td><td>{}</td></tr>',
        map(_row, entries),
    )
    table = (
        '<p>Results of job {}</p><table><tr><th>File</th><th class="number">Bytes</th>'
        '<th colspan="2">Get it by</th></tr>\n{}</table>'
    )
    return page(title, format_html(table, job.rpartition("/")[2], rows))


def _row(item: Entry) -> tuple[str, ...]:
    download = format_html('<a href="{}">download</a>', item.links.http)
    opendap = format_html('<a href="{}.html">OPeNDAP</a>', item.links.opendap)
    return item.name, f"{item.size:,}", download, opendap if item.has_opendap else ""


def _add_entry(parent: etree._Element, item: Entry) -> None:
    dataset = _add(parent, "dataset", name=item.name, ID=item.path, urlPath=item.path)
    if item.has_opendap:
        _add(dataset, "dataFormat", "netCDF")
    else:
        _add(dataset, "serviceName", "http")
    _add(dataset, "dataSize", str(item.size), units="bytes")
    _add(dataset, "date", item.modified.strftime("%Y-%m-%dT%H:%M:%SZ"), type="modified")


def _add(
    parent: etree._Element, tag: str, text: str | None = None, /, **attributes: str
) -> etree._Element:
    element = etree.SubElement(parent, _tag(tag), attributes)
    element.text = text
    return element


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"
