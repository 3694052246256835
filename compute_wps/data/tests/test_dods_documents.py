"""The documents and errors of the DAP2 server, as they go over the wire."""

import numpy as np
import pytest
import requests
from pydap.parsers.das import parse_das
from pydap.parsers.dds import dds_to_dataset


def test_a_field_with_coordinates_is_a_grid(data_server):
    dds = requests.get(data_server.dods("fields.nc.dds?packed[0:2:5][1]"), timeout=10).text
    assert " ".join(dds.split()) == (
        "Dataset { Grid { ARRAY: Int16 packed[lat = 3][lon = 1]; MAPS: Float64 lat[lat = 3]; "
        "Float64 lon[lon = 1]; } packed; } fields%2Enc;"
    )


def test_members_of_a_grid_come_in_a_structure(data_server):
    url = data_server.dods("fields.nc.dds?packed.lon,height,packed.packed[0][0]")
    assert " ".join(requests.get(url, timeout=10).text.split()) == (
        "Dataset { Structure { Int16 packed[lat = 1][lon = 1]; Float64 lon[lon = 8]; } packed; "
        "Float64 height; } fields%2Enc;"
    )


def test_brackets_may_be_percent_encoded(data_server):
    plain = requests.get(data_server.dods("fields.nc.dods?lat[0:1:3]"), timeout=10).content
    url = data_server.dods("fields.nc.dods?lat%5B0%3A1%3A3%5D")
    assert requests.get(url, timeout=10).content == plain


def test_names_may_be_escaped_twice(data_server):
    url = data_server.dods("odd.nc.dds?a%2520name%252Ewith%2520dots")
    assert "a%20name%2Ewith%20dots[odd%2Ename = 2]" in requests.get(url, timeout=10).text


def test_data_are_big_endian_after_two_counts(data_server):
    body = requests.get(data_server.dods("fields.nc.dods?lat[0:2:4]"), timeout=10).content
    head, _, data = body.partition(b"Data:\n")
    assert head == requests.get(data_server.dods("fields.nc.dds?lat[0:2:4]"), timeout=10).content
    assert data[:8] == b"\0\0\0\3\0\0\0\3"
    assert np.frombuffer(data[8:], ">f8").tolist() == [-75.0, -15.0, 45.0]


def test_bytes_are_packed_and_padded(data_server):
    body = requests.get(data_server.dods("odd.nc.dods?high_u1"), timeout=10).content
    assert body.partition(b"Data:\n")[2] == b"\0\0\0\5" * 2 + bytes([255, 128, 0, 1, 2, 0, 0, 0])


@pytest.mark.parametrize("query", ["", "?ta", "?packed.packed[0][0],height", "?high_u1", "?words"])
def test_the_announced_length_is_the_length(data_server, query):
    name = "odd.nc" if query in ("?high_u1", "?words") else "fields.nc"
    response = requests.get(data_server.dods(f"{name}.dods{query}"), timeout=10)
    assert response.status_code == 200
    length = response.headers.get("Content-Length")
    assert length == (None if query == "?words" else str(len(response.content)))


def test_head_tells_the_length_without_the_data(data_server):
    response = requests.head(data_server.dods("fields.nc.dods?ta"), timeout=10)
    assert int(response.headers["Content-Length"]) > 20 * 3 * 6 * 8 * 8
    assert response.headers["XDODS-Server"]


def test_the_das_reads_back_in_another_parser(data_server):
    das = parse_das(requests.get(data_server.dods("fields.nc.das"), timeout=10).text)
    assert das["NC_GLOBAL"]["third"] == 1 / 3
    assert das["tas"]["_FillValue"] == float(np.float32(1e20))
    assert das["tas"]["valid"] == [float(np.float32(x)) for x in (0.1, 1 / 3, np.pi)]
    assert das["DODS_EXTRA"]["Unlimited_Dimension"] == "time"


def test_what_dap2_cannot_hold_is_left_out(data_server):
    text = requests.get(data_server.dods("odd.nc.dds"), timeout=10).text
    names = set(dds_to_dataset(text).keys())
    assert not names & {"compound", "empty"}
    assert {"large", "words", "letter"} <= names


def test_wide_integers_become_reals_only_when_they_must(data_server):
    dds = requests.get(data_server.dods("odd.nc.dds?v_i8,large"), timeout=10).text
    assert "Int32 v_i8" in dds
    assert "Float64 large" in dds


@pytest.mark.parametrize(
    ("query", "code", "words"),
    [
        ("nothere", 404, ["'nothere'", "tas"]),
        ("tas.plev", 404, ["'plev'", "time, lat, lon"]),
        ("height.lat", 404, ["'height'"]),
        ("tas[0]", 400, ["3 dimensions, not 1"]),
        ("lat[6]", 400, ["[6]", "0 to 5"]),
        ("lat[3:1]", 400, ["[3:1]"]),
        ("lat[0:0:3]", 400, ["[0:0:3]"]),
        ("lat[-1]", 400, ["[-1]"]),
        ("lat[0:1:2:3]", 400, ["[0:1:2:3]"]),
        ("lat[0]x", 400, ["projection"]),
        ("lat,,lon", 400, ["projection"]),
        ("lat[0],lat[1]", 400, ["twice"]),
        ("lat&lat>3", 400, ["'lat>3'", "not supported"]),
        ("geogrid(tas,1,2)", 400, ["function"]),
    ],
)
def test_a_bad_constraint_gets_an_error_document(data_server, query, code, words):
    response = requests.get(data_server.dods(f"fields.nc.dods?{query}"), timeout=10)
    assert response.status_code == code
    assert response.headers["Content-Description"] == "dods_error"
    assert response.text.startswith(f"Error {{\n    code = {code};\n    message = ")
    assert all(word in response.text for word in words), response.text


def test_an_answer_above_the_limit_is_refused_with_both_sizes(data_server):
    response = requests.get(data_server.dods("large.nc.dods?x"), timeout=10)
    assert response.status_code == 413
    assert "400008" in response.text
    assert "200000" in response.text
    part = requests.get(data_server.dods("large.nc.dods?x[0:9]"), timeout=10)
    assert part.status_code == 200


def test_a_file_that_is_no_netcdf_is_an_error_without_its_path(data_server):
    response = requests.get(data_server.dods("broken.nc.dds"), timeout=10)
    assert response.status_code == 500
    assert "broken.nc cannot be read as netCDF" in response.text
    assert str(data_server.folder) not in response.text


@pytest.mark.parametrize("name", ["none.nc.dds", "none.nc", "fields.nc.dmr", "table.csv.dds"])
def test_what_is_not_there_is_a_404_error_document(data_server, name):
    response = requests.get(data_server.dods(name), timeout=10)
    assert response.status_code == 404
    assert "code = 404" in response.text


def test_the_bare_address_leads_to_a_page(data_server):
    response = requests.get(data_server.dods("fields.nc"), timeout=10)
    assert response.url.endswith("/fields.nc.html")
    assert "Float32 tas[time = 20]" in response.text
    assert data_server.dods("fields.nc") in response.text


def test_the_version_is_told(data_server):
    assert "dods/2.0" in requests.get(data_server.dods("fields.nc.ver"), timeout=10).text


def test_results_cannot_be_changed(data_server):
    assert requests.post(data_server.dods("fields.nc.dds"), timeout=10).status_code == 405
