"""Two people at the same moment: one of them wins, and nothing is done twice or beyond a limit."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection

from compute.provisioner.models import Event, Node, Pool
from compute.provisioner.tests.rest import Operator

pytestmark = pytest.mark.database
AT_ONCE = 8


@pytest.fixture
def operator(transactional_db):
    return Operator()


def together(call):
    """Return the sorted statuses of as many calls, made at the same time."""

    def one(number):
        try:
            return call(number).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(AT_ONCE) as threads:
        return sorted(threads.map(one, range(AT_ONCE)))


def test_a_pool_gets_no_more_nodes_than_its_maximum(operator):
    operator.create("pools", name="small", maximum=3)
    bodies = [{"name": f"n{number}", "pool": "small"} for number in range(AT_ONCE)]
    statuses = together(lambda number: Operator().ask("POST", "compute-nodes", bodies[number]))
    assert statuses == [201] * 3 + [409] * 5
    assert Node.objects.count() == 3


def test_a_name_is_given_once(operator):
    body = {"name": "one", "xname": "x1c0s0b0n0"}
    assert together(lambda _: Operator().ask("POST", "compute-nodes", body)) == [201] + [409] * 7


def test_one_change_of_a_version_is_made(operator):
    tag = operator.ask("POST", "pools", {"name": "one"})["ETag"]

    def change(number):
        return Operator().ask("PATCH", "pools/one", {"maximum": number + 2}, If_Match=tag)

    assert together(change) == [200] + [412] * 7
    assert Pool.objects.get().version == 2
    assert Event.objects.filter(reason="updated").count() == 1


def test_a_record_is_deleted_once(operator):
    operator.create("groups", name="one")
    statuses = together(lambda _: Operator().ask("DELETE", "groups/one"))
    assert statuses.count(204) == 1
    assert set(statuses) <= {204, 404, 412}
    assert Event.objects.filter(reason="deleted").count() == 1
