"""What tells two states of an input apart, on real files and servers."""

import os

import pytest

from compute_tasks.sources.identity import identities, local_identities
from compute_tasks.sources.policy import SourcePolicy
from compute_tasks.tests import data, servers

ANYWHERE = frozenset({"*"})


@pytest.fixture
def path(tmp_path):
    return data.write(data.tas((2000,)), tmp_path / "files" / "tas.nc")


def remote(path, respond):
    """Return the identity of the file at a server that answers so."""
    with servers.web(respond) as web:
        address = f"{web.url}/{path.name}"
        found = identities([address], SourcePolicy(allowed_hosts=ANYWHERE, backoff=0))
        return found and found[address].replace(web.url, "")


def test_a_file_keeps_its_identity_until_it_is_written(path):
    policy = SourcePolicy(roots=(path.parent,))
    first = local_identities([str(path)], policy)
    assert first == identities([str(path)], policy) == local_identities([str(path)], policy)
    path.write_bytes(path.read_bytes())
    assert local_identities([str(path)], policy) != first


def test_a_file_that_is_replaced_has_another_even_with_its_old_date(path):
    policy = SourcePolicy(roots=(path.parent,))
    first, status = local_identities([str(path)], policy), path.stat()
    other = path.with_name("other.nc")
    other.write_bytes(path.read_bytes())
    other.replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert local_identities([str(path)], policy) != first


def test_one_unknown_state_leaves_the_whole_unknown(path):
    policy = SourcePolicy(roots=(path.parent,))
    for other in (
        path.with_name("missing.nc"),
        path.parent,
        "/etc/passwd",
        "http://[",
        "ftp://a/b",
    ):
        assert local_identities([str(path), str(other)], policy) is None
        assert identities([str(path), str(other)], policy) is None


def test_a_remote_file_is_not_asked_for_where_only_local_ones_count(path):
    with servers.web(servers.files(path.parent)) as web:
        policy = SourcePolicy(allowed_hosts=ANYWHERE)
        assert local_identities([f"{web.url}/tas.nc"], policy) is None
        assert web.requests == []


def test_a_remote_file_is_known_by_its_etag(path):
    first = remote(path, servers.files(path.parent))
    assert first == remote(path, servers.files(path.parent))
    os.utime(path, (0, 0))
    assert remote(path, servers.files(path.parent)) not in (first, None)


@pytest.mark.parametrize(
    "answer",
    [
        servers.Answer(b"no header tells its state"),
        servers.Answer(b"busy", 503),
        servers.Answer(b"gone", 404),
    ],
)
def test_a_server_that_tells_nothing_leaves_it_unknown(path, answer):
    asked = []

    def respond(request):
        asked.append(request)
        return answer

    assert remote(path, respond) is None
    assert len(asked) == 1


def test_a_host_that_may_not_be_read_is_not_asked(path):
    with servers.web(servers.files(path.parent)) as web:
        assert identities([f"{web.url}/tas.nc"], SourcePolicy()) is None
        assert web.requests == []


def test_a_mapped_address_is_its_local_file(path, tmp_path):
    mapping = tmp_path / "mapping.json"
    mapping.write_text(f'{{"mapping": {{"archive.org/cmip6": "{path.parent}"}}}}')
    policy = SourcePolicy(mapping=mapping)
    address = "http://archive.org/cmip6/tas.nc"
    found = local_identities([address], policy)
    assert found[address].startswith("file ")


def test_a_dataset_is_known_by_its_declarations_and_attributes(tmp_path):
    path = data.write(data.tas((2000,)), tmp_path / "dodsC" / "tas.nc")
    with servers.opendap(tmp_path) as url:
        policy = SourcePolicy(allowed_hosts=ANYWHERE)
        addresses = [f"{url}/dodsC/tas.nc", f"{url}/dodsC/tas.nc.html"]
        first = identities(addresses, policy)
        assert first[addresses[0]] == first[addresses[1]]
        data.write(data.tas((2000,)).assign_attrs(tracking_id="hdl:1/new"), path)
        assert identities(addresses, policy)[addresses[0]] != first[addresses[0]]
