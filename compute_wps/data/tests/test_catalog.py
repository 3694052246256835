"""Catalogs over HTTP, and the addresses of results."""

import pytest
import requests
from lxml import etree, html

from compute_wps.data.links import links

NAMES = {"t": "http://www.unidata.ucar.edu/namespaces/thredds/InvCatalog/v1.0"}


def catalog(url):
    response = requests.get(url, timeout=10)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/xml"
    return etree.fromstring(response.content)


def test_a_catalog_leads_to_each_file_by_both_services(data_server):
    document = catalog(f"{data_server.url}/data/catalog/someone/job1/catalog.xml")
    assert document.get("version") == "1.0.1"
    paths = document.xpath("//t:dataset/@urlPath", namespaces=NAMES)
    assert "someone/job1/fields.nc" in paths
    bases = {
        service.get("serviceType"): service.get("base")
        for service in document.xpath("//t:service/t:service", namespaces=NAMES)
    }
    path = "someone/job1/fields.nc"
    assert requests.get(f"{bases['HTTPServer']}{path}", timeout=10).status_code == 200
    assert requests.get(f"{bases['OPENDAP']}{path}.dds", timeout=10).status_code == 200


def test_only_netcdf_is_offered_by_opendap(data_server):
    document = catalog(f"{data_server.url}/data/catalog/someone/job1/catalog.xml")
    (service,) = document.xpath(
        "//t:dataset[@name='table.csv']/t:serviceName/text()", namespaces=NAMES
    )
    assert service == "http"
    page = requests.get(f"{data_server.url}/data/catalog/someone/job1/catalog.html", timeout=10)
    assert data_server.file_server("table.csv") in page.text
    assert data_server.dods("table.csv") not in page.text


def test_a_catalog_tells_the_size_of_each_file(data_server):
    document = catalog(f"{data_server.url}/data/catalog/someone/job1/catalog.xml")
    (size,) = document.xpath(
        "//t:dataset[@name='fields.nc']/t:dataSize[@units='bytes']/text()", namespaces=NAMES
    )
    assert int(size) == (data_server.folder / "fields.nc").stat().st_size


def test_the_top_catalog_names_no_job(data_server):
    document = catalog(f"{data_server.url}/data/catalog.xml")
    assert document.xpath("//t:service/@serviceType", namespaces=NAMES) == [
        "Compound",
        "OPENDAP",
        "HTTPServer",
    ]
    assert not document.xpath("//t:dataset", namespaces=NAMES)
    assert "job1" not in requests.get(f"{data_server.url}/data/catalog.html", timeout=10).text


def test_the_page_of_a_job_links_its_files(data_server):
    page = requests.get(f"{data_server.url}/data/catalog/someone/job1/catalog.html", timeout=10)
    addresses = html.fromstring(page.text).xpath("//a/@href")
    assert data_server.file_server("fields.nc") in addresses
    assert data_server.dods("fields.nc.html") in addresses
    assert "job1" in page.text


@pytest.mark.parametrize("path", ["someone/job2", "..%2fsomeone/job1", ".hidden/job1", "a/.."])
def test_a_job_that_is_not_there_has_no_catalog(data_server, path):
    response = requests.get(f"{data_server.url}/data/catalog/{path}/catalog.xml", timeout=10)
    assert response.status_code == 404


def test_addresses_are_ours_without_a_thredds_server():
    made = links("http://host:8000/", "me/job 1/a.nc", "")
    assert made.http == "http://host:8000/data/fileServer/me/job%201/a.nc"
    assert made.opendap == "http://host:8000/data/dodsC/me/job%201/a.nc"


def test_addresses_are_those_of_the_thredds_server_when_there_is_one():
    made = links("http://host", "me/job/a.nc", "https://tds/thredds/dodsC/outputs/")
    assert made.opendap == "https://tds/thredds/dodsC/outputs/me/job/a.nc"
    assert made.http == "https://tds/thredds/fileServer/outputs/me/job/a.nc"


def test_a_thredds_address_without_downloads_leaves_those_to_us():
    made = links("http://host", "me/job/a.nc", "https://tds/outputs")
    assert made.opendap == "https://tds/outputs/me/job/a.nc"
    assert made.http == "http://host/data/fileServer/me/job/a.nc"
