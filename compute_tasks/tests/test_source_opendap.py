"""OPeNDAP against a real server, and against servers that answer wrongly with status 200."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from compute_tasks.errors import SourceError, Transient
from compute_tasks.model import Variable
from compute_tasks.sources import SourcePolicy, open_source
from compute_tasks.tests import data, servers

POLICY = SourcePolicy(
    allowed_hosts=frozenset({"127.0.0.1"}), backoff=0.001, timeout=10.0, attempts=3
)
TAS = data.tas(missing=True, calendar="360_day", nlat=10, nlon=12)
TA = data.ta(missing=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dap")
    data.write(TAS, root / "dodsC" / "tas.nc")
    data.write(TA, root / "dodsC" / "ta.nc")
    data.write(TAS, root / "fileServer" / "plain.nc")
    packed = TAS.copy()
    packed.tas.encoding = {
        "dtype": "i2",
        "scale_factor": 0.01,
        "add_offset": 250.0,
        "_FillValue": -1,
    }
    data.write(packed, root / "dodsC" / "packed.nc")
    odd = TAS.copy()
    odd.tas.encoding = {"dtype": "f4", "_FillValue": np.float32(-(2.0**100))}
    data.write(odd, root / "dodsC" / "odd.nc")
    return root


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[str]:
    with servers.opendap(folder) as url:
        yield url


def source(uri: str, variable: str = "tas", policy: SourcePolicy = POLICY) -> xr.Dataset:
    return open_source(Variable("v", variable, uri), policy)


@pytest.mark.parametrize("ending", ["", ".html", ".dds"])
def test_a_dataset_comes_as_from_its_file(server, folder, ending):
    opened = source(f"{server}/dodsC/tas.nc{ending}").compute()
    local = open_source(
        Variable("v", "tas", str(folder / "dodsC" / "tas.nc")), SourcePolicy(roots=(folder,))
    )
    xr.testing.assert_equal(opened, local.compute())
    assert opened.attrs.items() >= TAS.attrs.items()
    assert opened.tas.attrs == local.tas.attrs
    assert opened.time.encoding["calendar"] == "360_day"


@pytest.mark.parametrize(
    "part",
    [
        {"time": slice(3, 9, 2), "lat": slice(8, 1, -3)},
        {"time": 5, "lon": [7, 1, 4]},
        {"time": slice(0, 0)},
        {"time": -1, "lat": -1, "lon": -1},
    ],
)
def test_parts_are_the_right_ones(server, part):
    opened = source(f"{server}/dodsC/tas.nc")
    xr.testing.assert_allclose(opened.isel(part).compute(), TAS.isel(part))


def test_attributes_that_speak_of_the_transport_are_left_out(server):
    forward = servers.forward(server)

    def respond(request):
        answer = forward(request)
        return replace(answer, body=answer.body.replace(b"String long_name", b"String DODS.strlen"))

    with servers.web(respond) as web:
        opened = source(f"{web.url}/dodsC/tas.nc")
    assert set(opened.tas.attrs) == set(TAS.tas.attrs) - {"long_name"}


def test_four_dimensions_are_read(server):
    part = {"plev": [2, 0], "time": slice(1, None, 5)}
    xr.testing.assert_allclose(
        source(f"{server}/dodsC/ta.nc", "ta").isel(part).compute(), TA.isel(part)
    )


def test_packed_values_are_unpacked(server):
    opened = source(f"{server}/dodsC/packed.nc").compute()
    np.testing.assert_allclose(opened.tas, TAS.tas, atol=0.006)
    assert (np.isnan(opened.tas) == np.isnan(TAS.tas)).all()


def test_a_fill_value_printed_with_six_digits_still_means_missing(server):
    with servers.web(servers.forward(server)) as web:
        opened = source(f"{web.url}/dodsC/odd.nc").compute()
    xr.testing.assert_allclose(opened.tas, TAS.tas)


def test_no_request_asks_for_more_than_the_limit(server):
    with servers.web(servers.forward(server)) as web:
        policy = replace(POLICY, request_bytes=1000)
        xr.testing.assert_allclose(source(f"{web.url}/dodsC/tas.nc", policy=policy).compute(), TAS)
        asked = [r.path for r in web.requests if ".dods?tas" in r.path]
    # 24 x 10 x 12 values of 4 bytes: a time has 480, so two go into a request.
    assert len(asked) == 12


def test_as_many_requests_are_under_way_as_the_host_may_get(server):
    forward, meeting = servers.forward(server), threading.Barrier(3)
    under_way, most, lock = 0, 0, threading.Lock()

    def respond(request: servers.Request) -> servers.Answer:
        nonlocal under_way, most
        if ".dods?tas" not in request.path:
            return forward(request)
        with lock:
            under_way += 1
            most = max(most, under_way)
        # Twelve requests come, three at a time: each waits for the two beside it.
        meeting.wait(timeout=10)
        with lock:
            under_way -= 1
        return forward(request)

    with servers.web(respond) as web:
        policy = replace(POLICY, request_bytes=1000, connections=3)
        xr.testing.assert_allclose(source(f"{web.url}/dodsC/tas.nc", policy=policy).compute(), TAS)
    assert most == 3


def test_only_the_part_that_is_computed_is_asked_for(server):
    with servers.web(servers.forward(server)) as web:
        source(f"{web.url}/dodsC/tas.nc").isel(time=7, lat=slice(2, 5)).compute()
        asked = [r.path for r in web.requests if ".dods?" in r.path]
    assert len(asked) == 2
    assert asked[1].endswith("?tas%5B7:7%5D%5B2:4%5D%5B0:11%5D")


def test_a_file_server_address_is_read_by_opendap(server, folder):
    with servers.web(servers.forward(server)) as web:
        opened = source(f"{web.url}/fileServer/tas.nc")
        xr.testing.assert_allclose(opened.compute(), TAS)
        assert opened.encoding["source"] == f"{web.url}/fileServer/tas.nc"
        assert not web.ranges()


def test_without_opendap_a_file_server_address_is_a_plain_file(folder):
    with servers.web(servers.files(folder)) as web:
        xr.testing.assert_allclose(source(f"{web.url}/fileServer/plain.nc").compute(), TAS)


def test_a_dods_address_without_opendap_falls_back_to_the_file(folder):
    with servers.web(servers.files(folder)) as web:
        xr.testing.assert_allclose(source(f"{web.url}/dodsC/plain.nc").compute(), TAS)


def test_an_address_that_shows_nothing_is_tried_as_opendap_too(server):
    respond = servers.forward(server)

    def renamed(request):
        kind = request.path.partition("?")[0].rpartition(".")[2]
        if kind not in ("dds", "das", "dods"):
            return servers.Answer(b"<html>", 400)
        return respond(replace(request, path=f"/dodsC{request.path}"))

    with servers.web(renamed) as web:
        xr.testing.assert_allclose(source(f"{web.url}/tas.nc").compute(), TAS)


def test_when_both_ways_fail_the_given_address_is_named():
    with servers.web(lambda _: servers.Answer(b"", 404)) as web:
        for kind in ("dodsC", "fileServer"):
            uri = f"{web.url}/{kind}/tas.nc"
            with pytest.raises(SourceError, match=f"^{uri}: the server answered 404"):
                source(uri)


def test_a_guessed_address_is_tried_once_and_the_given_one_as_often_as_wanted():
    with servers.web(lambda _: servers.Answer(b"", 503)) as web:
        with pytest.raises(Transient, match="tried 3 times"):
            source(f"{web.url}/fileServer/tas.nc")
        asked = [request.path for request in web.requests]
    assert asked == ["/dodsC/tas.nc.dds", *["/fileServer/tas.nc"] * 3]


def test_an_unknown_variable_is_answered_with_those_there_are(server):
    with pytest.raises(SourceError, match=r"dodsC/tas\.nc has no variable 'pr'.*: tas$"):
        source(f"{server}/dodsC/tas.nc", "pr")


def test_a_server_that_fails_now_and_then_is_asked_again(server):
    busy = servers.Answer(b"", 503)
    with servers.web(servers.failing(servers.forward(server), 2, busy)) as web:
        xr.testing.assert_allclose(source(f"{web.url}/dodsC/tas.nc").compute(), TAS)


def damaged(url, damage, times=10**6):
    """Forward, with the data of `tas` damaged for the first so many requests."""
    forward, left = servers.forward(url), iter(range(times))

    def respond(request):
        answer = forward(request)
        hit = ".dods?tas" in request.path and next(left, None) is not None
        return replace(answer, body=damage(answer.body)) if hit else answer

    return respond


def full_shape(body):
    """Answer as if the subset had not been understood."""
    return body.replace(b"[time = 2]", b"[time = 24]")


def transposed(body):
    return body.replace(b"[time = 2][lat = 10]", b"[time = 10][lat = 2]")


def other_lengths(body):
    at = body.index(b"Data:\n") + 6
    return body[:at] + b"\0\0\0\1" + body[at + 4 :]


DAMAGES = [
    lambda body: body[:-4],
    lambda body: body + b"\0\0\0\0",
    lambda body: body[: body.index(b"Data:")],
    lambda body: body.replace(b"Float32", b"Int32"),
    lambda body: body.replace(b" tas[", b" pr["),
    lambda body: b"<html>busy</html>",
    full_shape,
    transposed,
    other_lengths,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_answer_with_status_200_is_never_computed_on(server, damage):
    with servers.web(damaged(server, damage)) as web:
        opened = source(f"{web.url}/dodsC/tas.nc").isel(time=slice(3, 5))
        with pytest.raises(Transient, match=r"dodsC/tas\.nc: .* tas is inconsistent.*tried 3"):
            opened.compute()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_wrong_answer_is_asked_for_again(server, damage):
    with servers.web(damaged(server, damage, times=2)) as web:
        opened = source(f"{web.url}/dodsC/tas.nc").isel(time=slice(3, 5))
        xr.testing.assert_allclose(opened.compute(), TAS.isel(time=slice(3, 5)))


def test_an_answer_that_breaks_off_is_told_with_the_file(server):
    forward = servers.forward(server)

    def respond(request):
        answer = forward(request)
        return replace(answer, sent=len(answer.body) - 1) if ".dods?tas" in request.path else answer

    with servers.web(respond) as web:
        opened = source(f"{web.url}/dodsC/tas.nc")
        said = rf"{web.url}/dodsC/tas\.nc: the connection failed or ended early"
        with pytest.raises(Transient, match=said):
            opened.compute()


def test_the_words_of_a_server_that_refuses_are_passed_on(server):
    refusal = b'Error {\n    code = 403;\n    message = "Request too big=500.0 Mbytes";\n};'
    with servers.web(damaged(server, lambda _: refusal)) as web:
        opened = source(f"{web.url}/dodsC/tas.nc")
        with pytest.raises(SourceError, match=r"refused: Request too big=500\.0 Mbytes"):
            opened.compute()


def test_a_server_that_answers_every_subset_wrongly_is_found_out(folder):
    with servers.opendap(folder, repaired=False) as url, pytest.raises(SourceError):
        source(f"{url}/dodsC/tas.nc").isel(time=slice(3, 5)).compute()


def test_a_constraint_in_the_address_is_refused(server):
    with pytest.raises(SourceError, match="cannot hold a constraint"):
        source(f"{server}/dodsC/tas.nc?tas[0:1]")
